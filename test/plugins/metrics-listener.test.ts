// Metrics have a listener of their own: any path, and it ends with the application.
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import t from 'tap'
import { vllmRouter } from '../../router.ts'
import { startRouter } from '../helpers/router.ts'

t.test('every path shows the metrics, until the application closes', async t => {
  const { app, router, port } = await startRouter(t, { metricsListener: true, prometheusPort: 0 })
  const { metricsAddress } = router
  t.match(metricsAddress, /^http:\/\/127\.0\.0\.1:\d+$/)
  t.not(new URL(metricsAddress).port, String(port))
  for (const path of ['/metrics', '/', '/any/other/path?with=query']) {
    const response = await fetch(metricsAddress + path)
    t.equal(response.status, 200, path)
    t.match(response.headers.get('content-type'), /^text\/plain; version=0\.0\.4/)
    const page = await response.text()
    t.match(page, /^vllm_router_active_workers 0$/m)
    t.match(page, /^process_cpu_seconds_total/m)
  }
  // the connections of the requests above are idle now
  await app.close()
  await t.rejects(fetch(metricsAddress), 'nobody listens there any more')
})

t.test('a port that is taken ends the start with an error that names the option', async t => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const { port } = other.address() as AddressInfo
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(vllmRouter, { metricsListener: true, prometheusPort: port })
  await t.rejects(app.listen({ port: 0, host: '127.0.0.1' }), { message: new RegExp(`prometheusHost 127\\.0\\.0\\.1, prometheusPort ${port}: .*address already in use`) })
})
