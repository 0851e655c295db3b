// The router under a prefix of an application that serves HTTP/2 itself, over TLS or without: streams, departures, and a close that waits for nobody idle.
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { vllmRouter } from '../../router.ts'
import { chat } from '../helpers/client.ts'
import { call, connectHttp2, postHttp2 } from '../helpers/http2-client.ts'
import { startWorkers } from '../helpers/router.ts'
import { pem } from '../helpers/tls.ts'
import { until } from '../helpers/until.ts'

const https = { key: pem('server-key'), cert: pem('server'), allowHTTP1: true }

/** The types of Node's servers differ, what the test does with them does not. */
const made: ReadonlyArray<readonly [name: string, make: () => unknown]> = [['over TLS', () => Fastify({ http2: true, https })], ['without TLS', () => Fastify({ http2: true })]]

for (const [name, make] of made) {
  t.test(name, async t => {
    const [worker] = await startWorkers(t, 1, { interTokenLatencyMs: 5 })
    const app = make() as FastifyInstance
    let router: FastifyInstance | undefined
    app.get('/hello', async () => 'world')
    await app.register(vllmRouter, { prefix: '/llm', workerUrls: [worker?.url ?? ''], adminPort: 0, extend: scope => { router = scope } })
    t.teardown(() => app.close())
    const url = await app.listen({ host: '127.0.0.1', port: 0 })
    await until('the worker is ready', () => router?.workers.list()[0]?.state === 'ready')
    const session = await connectHttp2(t, url)
    t.equal((await call(session, { ':path': '/hello' }).answer).body.toString(), 'world')
    t.match((await postHttp2(session, '/llm/v1/chat/completions', chat('a', { stream: true })).answer).body.toString(), /\[DONE\]\n\n$/)
    t.equal((await call(session, { ':path': '/llm/workers' }).answer).status, 404)
    t.equal((await fetch(`${router?.adminListener.address}/llm/workers`)).status, 200)
    const gone = postHttp2(session, '/llm/v1/chat/completions', chat('a', { stream: true, max_tokens: 30_000 }))
    await until('it streams', () => gone.text() !== '')
    gone.stream.destroy()
    await until('the engine stopped', () => worker?.app.simulator.aborts === 1)
    const stream = postHttp2(session, '/llm/v1/chat/completions', chat('a', { stream: true, max_tokens: 50 }))
    await until('it streams', () => stream.text() !== '')
    const closing = app.close()
    t.equal((await stream.answer).complete, true)
    const before = performance.now()
    await closing
    t.ok(performance.now() - before < 1500)
  })
}
