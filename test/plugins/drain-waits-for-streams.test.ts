// A closing router lets a stream flow to its end, takes no new connections meanwhile, and is closed right after.
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { vllmRouter } from '../../router.ts'
import { chat } from '../helpers/client.ts'
import { startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

t.test('a stream under way', async t => {
  const workers = await startWorkers(t, 1, { interTokenLatencyMs: 10 })
  const app = Fastify()
  t.teardown(() => app.close())
  let router: FastifyInstance = app
  await app.register(vllmRouter, { workerUrls: workers.map(worker => worker.url), extend: scope => { router = scope } })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  await until('the worker is ready', () => router.workers.list()[0]?.state === 'ready')
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const call = request(url + '/v1/chat/completions', { agent, method: 'POST', headers: { 'content-type': 'application/json' } })
  call.end(JSON.stringify(chat('a', { stream: true, max_tokens: 40 })))
  const [response] = await once(call, 'response') as [IncomingMessage]
  let text = ''
  response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
  await once(response, 'data')

  t.equal(router.draining, false)
  let closed = false
  const closing = app.close().then(() => { closed = true })
  await until('it drains', () => router.draining)
  await t.rejects(fetch(url + '/liveness'), 'new connections are refused')
  t.equal(closed, false)
  t.notMatch(text, /\[DONE\]/, 'the stream was under way all the while')
  await once(response, 'end')
  const ended = performance.now()
  await closing
  t.ok(performance.now() - ended < 1000, 'closed with the end of the stream, although its connection is kept alive')
  t.match(text, /data: \[DONE\]\n\n$/)
})

t.test('who asks meanwhile is told', async t => {
  const workers = await startWorkers(t, 1)
  const app = Fastify({ return503OnClosing: false })
  t.teardown(() => app.close())
  let router: FastifyInstance = app
  let told: unknown
  await app.register(vllmRouter, {
    workerUrls: workers.map(worker => worker.url),
    extend: scope => {
      router = scope
      scope.addHook('preClose', async () => {
        const response = await fetch(url + '/readiness')
        told = [response.status, (await response.json() as { reason: string }).reason]
      })
    }
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  await until('the worker is ready', () => router.workers.list()[0]?.state === 'ready')
  t.equal((await fetch(url + '/readiness')).status, 200)
  await app.close()
  t.same(told, [503, 'the router is shutting down'])
})
