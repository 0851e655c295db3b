// Workers behind https:// are recognised by the authorities given, and the router shows them its own certificate; both may be replaced.
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import t from 'tap'
import type { Test } from 'tap'
import { post } from '../helpers/client.ts'
import { startLogging } from '../helpers/log.ts'
import { startRouter } from '../helpers/router.ts'
import { pem, tlsFile } from '../helpers/tls.ts'
import { until } from '../helpers/until.ts'

/** A worker over TLS; with `mutual` only for clients of the authority. */
async function startWorker (t: Test, name: string, mutual = false): Promise<{ url: string, asked: string[] }> {
  const asked: string[] = []
  const options = { cert: pem(name), key: pem(`${name}-key`), ...(mutual ? { ca: pem('ca'), requestCert: true } : {}) }
  const server = createServer(options, (request, response) => {
    asked.push(request.url ?? '')
    request.resume()
    response.setHeader('content-type', 'application/json')
    response.end(request.url === '/v1/models' ? '{"data":[{"id":"m"}]}' : '{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

t.test('who is trusted', async t => {
  const trusted = await startWorker(t, 'server')
  const foreign = await startWorker(t, 'foreign-server')
  const reached = async (options: object): Promise<string[]> => {
    const { router } = await startRouter(t, { workerUrls: [trusted.url, foreign.url], workerStartupTimeoutSecs: 0.01, healthFailureThreshold: 1, ...options }, false)
    await until('both were checked', () => router.workers.list().every(worker => worker.state !== 'starting'))
    return router.workers.list().filter(worker => worker.state === 'ready').map(worker => worker.url)
  }
  t.same(await reached({ workerCa: tlsFile('ca') }), [trusted.url])
  t.same(await reached({ workerCa: tlsFile('other-ca') }), [foreign.url])
  t.same(await reached({}), [], 'public authorities know neither')
  t.same(await reached({ workerTlsInsecure: true }), [trusted.url, foreign.url])
})

t.test('traffic, and what a client hears of a worker nobody can be sure of', async t => {
  const trusted = await startWorker(t, 'server')
  const foreign = await startWorker(t, 'foreign-server')
  const { url, lines } = await startLogging(t, 'info', { workerUrls: [trusted.url], workerCa: tlsFile('ca') })
  for (const path of ['/v1/completions', '/tokenize']) t.equal((await post(url + path, {})).status, 200)
  t.same(lines('certificates of workers are not verified: anybody in between can read and change what is sent'), [])

  const other = await startLogging(t, 'info', { workerUrls: [foreign.url], workerCa: tlsFile('ca'), disableRetries: true, workerStartupTimeoutSecs: 0.01 })
  // it was taken for well, say
  for (const worker of other.router.workers.list()) other.router.workers.setState(worker, 'ready', 'said by hand')
  const answer = await post(other.url + '/v1/completions', {})
  t.equal(answer.status, 502)
  t.match(await answer.json(), { error: { code: 'worker_unreachable' } })
  t.notOk(foreign.asked.includes('/v1/completions'), 'it never saw the request')
})

t.test('verification switched off is warned of', async t => {
  const { lines } = await startLogging(t, 'info', { workerTlsInsecure: true })
  t.match(lines('certificates of workers are not verified: anybody in between can read and change what is sent'), [{ level: 40 }])
})

t.test('the router\'s own certificate, and its replacement', async t => {
  const worker = await startWorker(t, 'server', true)
  const dir = mkdtempSync(join(tmpdir(), 'vllm-router-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  const [cert, key] = [join(dir, 'tls.crt'), join(dir, 'tls.key')]
  copyFileSync(tlsFile('foreign-client'), cert)
  copyFileSync(tlsFile('foreign-client-key'), key)
  const { url, router, lines } = await startLogging(t, 'info', {
    workerUrls: [worker.url], workerCa: tlsFile('ca'), workerClientCert: cert, workerClientKey: key, workerStartupTimeoutSecs: 0.01, healthCheckIntervalSecs: 0.1, poolIdleTimeoutSecs: 0
  })
  t.equal(router.workers.list()[0]?.state, 'unhealthy', 'of an authority the worker does not know')
  copyFileSync(tlsFile('client'), cert)
  copyFileSync(tlsFile('client-key'), key)
  await until('the change', () => lines('certificates towards workers changed').length === 1, 15_000)
  await until('the worker takes it', () => router.workers.list()[0]?.state === 'ready', 15_000)
  t.equal((await post(url + '/v1/completions', {})).status, 200)
  rmSync(key)
  await until('the loss', () => lines(`certificates towards workers stay as they were: workerClientKey takes a PEM file with a private key, not ${JSON.stringify(key)}: there is no such file`).length === 1, 30_000)
  t.equal((await post(url + '/v1/completions', {})).status, 200)
})

t.test('files that cannot be used end the start', async t => {
  const cases: ReadonlyArray<[options: object, message: RegExp]> = [
    [{ workerCa: 'nowhere.pem' }, /^workerCa takes a PEM file of certificates, not "nowhere\.pem": there is no such file$/],
    [{ workerCa: tlsFile('server-key') }, /^workerCa takes .*: it holds no certificate in PEM$/],
    [{ workerCa: 'test' }, /^workerCa takes .*: it is a folder$/],
    [{ workerClientCert: tlsFile('client'), workerClientKey: tlsFile('server-key') }, /^workerClientKey takes the private key of workerClientCert/]
  ]
  for (const [options, message] of cases) await t.rejects(startRouter(t, options), { name: 'OptionFileError', message })
})
