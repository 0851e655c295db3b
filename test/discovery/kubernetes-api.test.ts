// Requests to an API server: credentials that are replaced, errors in its own words, lines however they are cut, bounds.
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { ApiError, KubernetesApi, explain } from '../../discovery/kubernetes/api.ts'
import { until } from '../helpers/until.ts'

interface Fake {
  readonly port: number
  /** `Authorization` of every request. */
  readonly tokens: Array<string | undefined>
  answer: (request: IncomingMessage, response: ServerResponse) => void
}

async function fakeServer (t: Test): Promise<Fake> {
  const fake: Fake & { port: number } = { port: 0, tokens: [], answer: (_request, response) => response.end('{}') }
  const server = createServer((request, response) => {
    fake.tokens.push(request.headers.authorization)
    fake.answer(request, response)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    return new Promise(resolve => server.close(resolve))
  })
  fake.port = (server.address() as AddressInfo).port
  return fake
}

function apiOf (fake: Fake, user: object = { token: 'secret' }): KubernetesApi {
  return new KubernetesApi(config => config.loadFromString(JSON.stringify({
    // a server without TLS is taken only where no certificate is asked for
    clusters: [{ name: 'c', cluster: { server: `http://127.0.0.1:${fake.port}`, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x'
  })))
}

const never = new AbortController().signal

t.test('an answer, with the user\'s token', async t => {
  const fake = await fakeServer(t)
  fake.answer = (request, response) => response.end(JSON.stringify({ asked: request.url, accept: request.headers.accept }))
  t.same(await apiOf(fake).json('/api/v1/pods?limit=1', never), { asked: '/api/v1/pods?limit=1', accept: 'application/json' })
  t.same(fake.tokens, ['Bearer secret'])
})

t.test('a token that is replaced while the router runs', async t => {
  const fake = await fakeServer(t)
  // where a pod has its service account
  const root = t.testdir()
  const folder = join(root, 'var/run/secrets/kubernetes.io/serviceaccount')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'token'), 'first\n')
  writeFileSync(join(folder, 'ca.crt'), '')
  fake.answer = (request, response) => response.writeHead(request.headers.authorization === `Bearer ${valid}` ? 200 : 401).end('{}')
  let valid = 'first'
  let loads = 0
  const api = new KubernetesApi(config => {
    loads++
    config.loadFromCluster(root)
    const [cluster] = config.clusters
    if (cluster !== undefined) config.clusters = [{ ...cluster, server: `http://127.0.0.1:${fake.port}`, skipTLSVerify: true }]
  })
  await api.json('/', never)
  valid = 'second'
  await t.rejects(api.json('/', never), { name: 'ApiError', status: 401 })
  writeFileSync(join(folder, 'token'), 'second\n')
  await api.json('/', never)
  t.same(fake.tokens, ['Bearer first', 'Bearer first', 'Bearer first', 'Bearer second'])
  await api.json('/', never)
  t.equal(loads, 3, 'read anew when it was refused, not every time')
})

t.test('errors', async t => {
  const fake = await fakeServer(t)
  const api = apiOf(fake)
  fake.answer = (_request, response) => response.writeHead(403).end(JSON.stringify({ kind: 'Status', message: 'pods is forbidden', reason: 'Forbidden', code: 403 }))
  await t.rejects(api.json('/', never), { name: 'ApiError', status: 403, message: 'pods is forbidden' })
  fake.answer = (_request, response) => response.writeHead(502).end('<html>')
  await t.rejects(api.json('/', never), { status: 502, message: 'status 502' })
  fake.answer = (_request, response) => response.writeHead(500).end('x'.repeat(100_000))
  await t.rejects(api.json('/', never), { status: 500, message: 'status 500' }, 'a long one is not read')
  fake.answer = (_request, response) => response.end('{"half":')
  await t.rejects(api.json('/', never), SyntaxError)
  await t.rejects(apiOf({ ...fake, port: 1 }).json('/', never), { code: 'ECONNREFUSED' })
  let tries = 0
  const broken = new KubernetesApi(config => {
    if (tries++ === 0) throw new Error('no such file')
    config.loadFromString('{}')
  })
  await t.rejects(broken.json('/', never), { message: 'no such file' })
  await t.rejects(broken.json('/', never), { message: 'the kubeconfig names no cluster' }, 'a kubeconfig that may come later is looked for again')
})

t.test('an abort ends a request at any time', async t => {
  const fake = await fakeServer(t)
  const api = apiOf(fake)
  let ended = 0
  fake.answer = (_request, response) => { response.on('close', () => { ended++ }) }
  const one = new AbortController()
  const waiting = t.rejects(api.json('/', one.signal))
  await until('it was asked', () => fake.tokens.length === 1)
  one.abort()
  await waiting
  fake.answer = (_request, response) => {
    response.on('close', () => { ended++ })
    response.write('{"a"')
  }
  const other = new AbortController()
  const streaming = t.rejects(api.lines('/', other.signal, () => { other.abort() }, () => {}))
  await streaming
  await until('both are closed', () => ended === 2)
})

t.test('lines, however they are cut', async t => {
  const fake = await fakeServer(t)
  const api = apiOf(fake)
  const text = '{"a":"ü€😀"}\n\n{"b":1}\n' + JSON.stringify({ c: 'x'.repeat(200_000) }) + '\n{"d":2}\nrest'
  const bytes = Buffer.from(text)
  const expected = text.split('\n').slice(0, -1).filter(line => line !== '')
  for (const size of [1, 2, 3, 7, 1000, bytes.length]) {
    const whole = size < 1000 ? bytes.subarray(0, 40) : bytes
    fake.answer = (_request, response) => {
      let at = 0
      const more = (): void => {
        if (at >= whole.length) response.end()
        else response.write(whole.subarray(at, at += size), () => setImmediate(more))
      }
      more()
    }
    const lines: string[] = []
    let heard = 0
    await api.lines('/', never, () => { heard++ }, line => { lines.push(line) })
    t.same(lines, size < 1000 ? whole.toString().split('\n').slice(0, -1).filter(line => line !== '') : expected, `pieces of ${size}`)
    t.ok(heard > 0)
  }
})

t.test('a watch that breaks, and a line without end', async t => {
  const fake = await fakeServer(t)
  const api = apiOf(fake)
  fake.answer = (request, response) => response.write('{"a":1}\n', () => request.socket.resetAndDestroy())
  await t.rejects(api.lines('/', never, () => {}, () => {}), { code: 'ECONNRESET' })
  fake.answer = (request, response) => {
    const more = (): void => { if (!response.destroyed) response.write('x'.repeat(1 << 20), () => setImmediate(more)) }
    more()
    request.socket.on('error', () => {})
  }
  await t.rejects(api.lines('/', never, () => {}, () => {}), { message: /^a line of more than \d+ bytes$/ })
  fake.answer = (_request, response) => response.end('{"a":1}\n')
  await t.rejects(api.lines('/', never, () => {}, () => { throw new Error('from the reader') }), { message: 'from the reader' })
})

t.test('no credentials anywhere', async t => {
  const before = { HOME: process.env['HOME'], KUBECONFIG: process.env['KUBECONFIG'] }
  delete process.env['KUBECONFIG']
  process.env['HOME'] = t.testdir()
  t.teardown(() => {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  })
  await t.rejects(new KubernetesApi().json('/', never), { message: /^no credentials: there is neither KUBECONFIG/ })
  mkdirSync(join(process.env['HOME'] ?? '', '.kube'))
  writeFileSync(join(process.env['HOME'] ?? '', '.kube', 'config'), '{}')
  await t.rejects(new KubernetesApi().json('/', never), { message: 'the kubeconfig names no cluster' })
})

t.test('reasons for people hold no address and no path', async t => {
  t.equal(explain(Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:443'), { code: 'ECONNREFUSED' })), 'connection refused')
  t.equal(explain(new AggregateError([Object.assign(new Error('connect ETIMEDOUT 10.0.0.1:443'), { code: 'ETIMEDOUT' })])), 'no connection in time')
  t.equal(explain(Object.assign(new Error('unable to verify the first certificate'), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' })), 'unable to verify the first certificate')
  t.equal(explain(new ApiError(503, 'etcd is away')), 'etcd is away (503)')
  t.equal(explain(Object.assign(new Error("ENOENT: no such file or directory, open '/secret/place'"), { code: 'ENOENT', syscall: 'open', path: '/secret/place' })), 'a file of the credentials cannot be read (ENOENT)')
  t.equal(explain('odd'), 'odd')
})
