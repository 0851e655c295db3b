// The router's own questions, over real sockets: with its key, within their time, and no more read than is sensible.
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { createAgent } from '../../core/dispatcher.ts'
import { failureKind } from '../../core/failure.ts'
import { WorkerClient } from '../../discovery/worker-client.ts'
import type { WorkerClientOptions } from '../../discovery/worker-client.ts'
import { deadPort } from '../core/wire.ts'

async function asking (t: Test, answer: (request: IncomingMessage, reply: ServerResponse) => void, options: Partial<WorkerClientOptions> = {}): Promise<{ client: WorkerClient, url: string }> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const dispatcher = createAgent()
  t.teardown(async () => {
    await dispatcher.destroy()
    server.closeAllConnections()
    server.close()
  })
  return { client: new WorkerClient({ dispatcher, timeoutMs: 5000, healthPath: '/health', ...options }), url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/base` }
}

t.test('the key goes with every question', async t => {
  const seen: string[] = []
  const { client, url } = await asking(t, (request, reply) => {
    seen.push(`${request.method} ${request.url} ${request.headers.authorization}`)
    reply.end('{"data":[]}')
  }, { authorization: () => 'Bearer key', healthPath: '/alive' })
  await client.health(url)
  await client.models(url)
  await client.loads(url)
  await client.generate(url, 'm')
  await client.resetPrefixCache(url)
  t.same(seen, ['GET /base/alive', 'GET /base/v1/models', 'GET /base/metrics', 'POST /base/v1/completions', 'POST /base/reset_prefix_cache'].map(line => line + ' Bearer key'))
})

t.test('no key, no header', async t => {
  let authorization: string | undefined = 'none seen'
  const { client, url } = await asking(t, (request, reply) => {
    authorization = request.headers.authorization
    reply.end()
  })
  await client.health(url)
  t.equal(authorization, undefined)
})

t.test('anything but 2xx is no sign of life', async t => {
  for (const status of [301, 404, 500, 503]) {
    const { client, url } = await asking(t, (_request, reply) => { reply.writeHead(status).end('x') })
    await t.rejects(client.health(url), { message: `/health answered ${status}` })
  }
})

t.test('silence ends with the time allowed', async t => {
  const { client, url } = await asking(t, () => {}, { timeoutMs: 30 })
  await t.rejects(client.health(url), { name: 'TimeoutError' })
  const half = await asking(t, (_request, reply) => { reply.write('x') }, { timeoutMs: 30 })
  await t.rejects(half.client.health(half.url), { name: 'TimeoutError' })
})

t.test('nobody listens', async t => {
  const { client } = await asking(t, () => {})
  const error: unknown = await client.health(`http://127.0.0.1:${await deadPort()}`).catch((error: unknown) => error)
  t.equal(failureKind(error), 'refused')
})

t.test('an endless answer is not read to its end', async t => {
  const { client, url } = await asking(t, (_request, reply) => {
    const piece = Buffer.alloc(1024 * 1024, ' ')
    const pour = (): void => { while (!reply.destroyed && reply.write(piece)); if (!reply.destroyed) reply.once('drain', pour) }
    pour()
  })
  await t.rejects(client.models(url), { message: /more than/ })
})

t.test('models', async t => {
  let body = ''
  const { client, url } = await asking(t, (_request, reply) => { reply.end(body) })
  body = '{"object":"list","data":[{"id":"base","root":"x"},{"id":7},null,{"id":"adapter","parent":"base"}]}'
  t.same([...await client.models(url)], [['base', { id: 'base', root: 'x' }], ['adapter', { id: 'adapter', parent: 'base' }]])
  for (body of ['', 'null', '[]', '{"data":{}}', 'no']) await t.rejects(client.models(url), body)
})

t.test('loads by engine', async t => {
  const { client, url } = await asking(t, (_request, reply) => {
    reply.end([
      '# HELP vllm:num_requests_running Number of requests', '# TYPE vllm:num_requests_running gauge',
      'vllm:num_requests_running{engine="0",model_name="m"} 3.0', 'vllm:num_requests_running{engine="1",model_name="m"} 1e+01',
      'vllm:num_requests_waiting{model_name="m",engine="0"} 2.0', 'vllm:num_requests_waiting_by_reason{engine="0"} 100', 'vllm:num_requests_swapped{engine="0"} 100'
    ].join('\n') + '\n')
  })
  t.same([...await client.loads(url)], [['0', 5], ['1', 10]])
})

t.test('loads of a worker that labels nothing', async t => {
  const { client, url } = await asking(t, (_request, reply) => { reply.end('vllm:num_requests_running 2\nvllm:num_requests_waiting{model_name="a"} 1\n') })
  t.same([...await client.loads(url)], [['0', 3]])
})

t.test('how many engines a server has', async t => {
  let page = ''
  let status = 200
  const { client, url } = await asking(t, (_request, reply) => { reply.writeHead(status).end(page) })
  for (const [text, count] of [
    ['', 0],
    ['vllm:num_requests_running{engine="0",model_name="m"} 1\nvllm:num_requests_running{engine="1",model_name="m"} 1\nvllm:x_total{a="b",engine="1"} 1\n', 2],
    ['# HELP vllm:x engine="7"\nother:x{engine="8"} 1\nvllm:x{my_engine="9"} 1\nvllm:y 3\n', 0]
  ] as const) {
    page = text
    t.equal(await client.engines(url), count, text)
  }
  status = 404
  t.equal(await client.engines(url), 0, 'it has no such page')
  status = 503
  await t.rejects(client.engines(url), { message: '/metrics answered 503' })
})

t.test('a bootstrap server gets no key', async t => {
  let seen = ''
  let body = '{"0":{"engine_id":"e-0","x":1},"1":{"engine_id":"e-1"},"2":{"engine_id":7},"3":null}'
  const { client, url } = await asking(t, (request, reply) => {
    seen = `${request.method} ${request.url} ${request.headers.authorization}`
    reply.end(body)
  }, { authorization: () => 'Bearer key' })
  t.same([...await client.bootstrap(url)], [['0', 'e-0'], ['1', 'e-1']])
  t.equal(seen, 'GET /base/query undefined')
  for (const text of ['', 'null', '7']) {
    body = text
    await t.rejects(client.bootstrap(url))
  }
})
