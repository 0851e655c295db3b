// Tokens leave no trace in the router's memory: a snapshot of its heap has none of them, whether they were good or not and by whatever means they were checked.
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SignJWT, exportJWK, generateKeyPair } from 'jose'
import t from 'tap'
import { formatKeyLine } from '../../auth/key-file.ts'
import { environment } from '../helpers/environment.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import { startValidator } from '../helpers/validator.ts'

t.setTimeout(120_000)

const newToken = (kind: string): string => `${kind}-${randomBytes(16).toString('hex')}`
const tokens = (kind: string, count = 20): string[] => Array.from({ length: count }, () => newToken(kind))

t.test('a snapshot of the heap', async t => {
  const folder = t.testdir()
  const worker = await startRawWorker(t)
  const validator = await startValidator(t, (token, response) => { response.writeHead(token.startsWith('good') ? 200 : token.startsWith('bad') ? 401 : 500).end() })
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const jwk = { ...await exportJWK(publicKey), alg: 'ES256' }
  const issuer = createServer((_request, response) => { response.end(JSON.stringify({ keys: [jwk] })) })
  await new Promise<void>(resolve => { issuer.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => {
    issuer.closeAllConnections()
    issuer.close()
  })
  const jwt = async (audience: string): Promise<string> => await new SignJWT({ iss: 'me', aud: audience, sub: 'sam', jti: newToken('jti') }).setProtectedHeader({ alg: 'ES256' }).setExpirationTime('1h').sign(privateKey)
  const jwts = async (audience: string): Promise<string[]> => await Promise.all(Array.from({ length: 20 }, async () => await jwt(audience)))
  const plain = tokens('plain')
  const hashed = tokens('hashed')
  writeFileSync(join(folder, 'keys.txt'), [...plain.map((key, i) => `${key} name=plain-caller-${i} models=raw,other-model-${i}`), ...hashed.map((key, i) => `${formatKeyLine(key, { salt: 'ab'.repeat(16), name: `hashed-caller-${i}` })}`)].join('\n'))

  const child = fork(fileURLToPath(new URL('./auth-memory-process.js', import.meta.url)), { execArgv: ['--expose-gc'], env: environment })
  t.teardown(async () => {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  const tell = async (order: object): Promise<string> => {
    child.send(order)
    const [answer] = await once(child, 'message') as [string]
    if (answer.startsWith('failed')) throw new Error(answer)
    return answer
  }
  const url = await tell({
    start: {
      workerUrls: [worker.url],
      apiKeysFile: join(folder, 'keys.txt'),
      apiKeyValidationUrls: [validator.url],
      jwtIssuer: 'me',
      jwtAudience: ['router'],
      jwksUrl: `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/`,
      authTimeoutMs: 5000,
      apiKey: 'sk-of-the-router'
    }
  })

  const cases: Record<string, [tokens: string[], status: number]> = {
    'good at the validator': [tokens('good'), 200],
    'bad at the validator': [tokens('bad'), 401],
    'nobody can tell': [tokens('error'), 503],
    'plain keys': [plain, 200],
    'hashed keys': [hashed, 200],
    'good JWTs': [await jwts('router'), 200],
    // refused as JWTs, the validator cannot tell either
    'other JWTs': [await jwts('elsewhere'), 503]
  }
  const agent = new Agent({ keepAlive: true, maxSockets: 4 })
  const ask = async (token: string, keepAlive: boolean, headers: Record<string, string> = {}): Promise<number> => {
    const call = request(url + '/v1/chat/completions', { method: 'POST', agent: keepAlive ? agent : false, headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers } })
    call.end('{"model":"raw"}')
    const [response] = await once(call, 'response') as [import('node:http').IncomingMessage]
    response.resume()
    await once(response, 'end')
    return response.statusCode ?? 0
  }
  while ((await ask(plain[0] ?? '', false)) === 503) await new Promise(resolve => setTimeout(resolve, 20))
  for (const [name, [list, status]] of Object.entries(cases)) {
    for (const [i, token] of list.entries()) {
      for (let round = 0; round < 3; round++) if (await ask(token, i % 2 === 0) !== status) t.fail(`${name}: not ${status}`)
    }
  }
  const control = newToken('good')
  t.equal(await ask(control, true, { 'x-keep': '1' }), 200)
  // other requests take the place of the last ones on the connections that stay open
  await Promise.all(Array.from({ length: 20 }, async () => await ask('plain-none', true)))

  const snapshot = readFileSync(await tell({ snapshot: join(folder, 'heap.heapsnapshot') }))
  agent.destroy()
  t.ok(snapshot.length > 1_000_000)
  const found = (token: string): boolean => snapshot.includes(token)
  t.ok(found('hashed-caller-7') && found('other-model-19'), 'the snapshot shows what is in memory')
  t.ok(found(control), 'and would show a token that somebody keeps')
  for (const [name, [list]] of Object.entries(cases)) t.same(list.filter(found), [], name)
})
