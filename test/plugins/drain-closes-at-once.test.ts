// Closing waits for nobody who has nothing to wait for: idle keep-alive connections, and connections on which nothing ever came.
import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { connect } from 'node:net'
import Fastify from 'fastify'
import t from 'tap'
import { vllmRouter } from '../../router.ts'
import { until } from '../helpers/until.ts'

t.test('idle and silent connections', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(vllmRouter)
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const [response] = await once(get(url + '/liveness', { agent }), 'response') as [NodeJS.ReadableStream]
  response.resume()
  await once(response, 'end')
  const silent = connect(Number(new URL(url).port), '127.0.0.1')
  t.teardown(() => silent.destroy())
  const reset = once(silent, 'close')
  silent.on('error', () => {})
  await once(silent, 'connect')
  await until('the server sees both', async () => await new Promise<number>(resolve => app.server.getConnections((_error, count) => resolve(count))) === 2)
  const before = performance.now()
  await app.close()
  t.ok(performance.now() - before < 1000, `closed after ${performance.now() - before} ms`)
  await reset
})
