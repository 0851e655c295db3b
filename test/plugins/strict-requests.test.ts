// The plugin that refuses ambiguous requests, in somebody's own application: under a prefix, beside routes with parameters, over HTTP/2; and what it refuses is seen by those who watch.
import { once } from 'node:events'
import { connect } from 'node:http2'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import strictRequests from '../../plugins/strict-requests.ts'
import { vllmRouter } from '../../router.ts'
import { Conversation } from '../helpers/conversation.ts'
import { startLogging } from '../helpers/log.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'
import { samplesOf } from '../helpers/samples.ts'
import { until } from '../helpers/until.ts'

async function ask (port: number, target: string, ...lines: string[]): Promise<string> {
  const client = new Conversation(port)
  client.say([`GET ${target} HTTP/1.1`, 'Host: a', ...lines, '', ''].join('\r\n'))
  const answer = await client.answer(target)
  client.leave()
  return `${answer?.status} ${answer?.body.toString()}`
}

t.test('under a prefix', async t => {
  const worker = await startRawWorker(t, (request, response) => { response.end(request.url) })
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  let router: FastifyInstance | undefined
  await app.register(vllmRouter, { prefix: '/llm', workerUrls: [worker.url], extend: scope => { router = scope } })
  app.get('/admin', async () => 'the host\'s')
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  await until('ready', () => router?.workers.list()[0]?.state === 'ready')
  for (const target of ['/llm/../admin', '/llm/v1/%2e%2e/%2e%2e/admin', '/llm/..%2fadmin', '/%6clm/x', '/llm//list_workers', '/llm/%2flist_workers', '/llm\\..\\admin', '/llm/x#y']) {
    t.match(await ask(port, target), /^(?:400|404) /, target)
  }
  for (const [target, answer] of [
    ['/llm/x//y?z', '200 /x//y?z'], ['http://b/llm/x', '200 /x'], ['/llm/%78', '200 /%78'], ['/llm/v1/models/a%2Fb', '200 /v1/models/a%2Fb'], ['/admin', '200 the host\'s'], ['//admin', '404'], ['/llm/list_workers', '200 {"urls"']
  ] as const) t.ok((await ask(port, target)).startsWith(answer), target)
  t.same(worker.requests.filter(({ url }) => /admin|list|\.\./.test(url)), [])
})

t.test('beside routes with parameters, alone', async t => {
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(strictRequests)
  app.get<{ Params: { id: string } }>('/items/:id', async request => request.params.id)
  app.get('/items/all', async () => 'all')
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  t.equal(await ask(port, '/items/a%20b%2Fc'), '200 a b/c')
  t.equal(await ask(port, '/items/%61ll'), '200 all')
  t.match(await ask(port, '/items/..%2fx'), /^400 /)
  t.match(await ask(port, '/items/all', 'Host: b'), /^400 .*host is given twice/)
})

t.test('over HTTP/2', async t => {
  const app = Fastify({ http2: true, forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(strictRequests)
  app.get('/*', async request => request.url)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const client = connect(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`)
  t.teardown(() => { client.destroy() })
  for (const [path, status] of [['/x?y', 200], ['/x//y', 200], ['/x/../y', 400], ['/%00', 400]] as const) {
    const stream = client.request({ ':path': path })
    const [headers] = await once(stream, 'response') as [Record<string, unknown>]
    t.equal(headers[':status'], status, path)
    stream.resume()
  }
})

t.test('seen by those who watch', async t => {
  const { port, router } = await startRouter(t)
  t.match(await ask(port, '/x/..'), /^400 .*"code":"invalid_request"/)
  await until('it is counted', async () => (await samplesOf(router)).sum('request_errors_total', { error_type: 'invalid_request' }) === 1)
  t.equal(router.admission.inFlight + router.admission.waiting, 0, 'and took no place')
  const { url, lines } = await startLogging(t, 'info', { accessLog: true })
  await ask(Number(new URL(url).port), '/x/..')
  await until('it is logged', () => lines('request').length === 1)
  t.match(lines('request')[0], { status: 400, failure: 'invalid_request', path: '/x/..' })
})
