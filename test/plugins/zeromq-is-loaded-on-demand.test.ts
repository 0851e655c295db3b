// A router without the ZMQ source does not load zeromq; one with it does, and says so when its address is taken.
// Needs a process of its own, where nobody else has loaded it.
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import Fastify from 'fastify'
import t from 'tap'
import vllmRouter from '../../router.ts'
import { startRouter } from '../helpers/router.ts'

const loaded = (): boolean => Object.keys(createRequire(import.meta.url).cache).some(path => /node_modules[/\\]zeromq[/\\]/.test(path))

t.test('without, then with', async t => {
  await startRouter(t)
  t.equal(loaded(), false)
  await startRouter(t, { vllmDiscoveryAddress: '127.0.0.1:0', vllmDiscoveryAllow: ['127.0.0.0/8'] })
  t.equal(loaded(), true)
})

t.test('an address that is taken ends the start', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.teardown(() => { taken.close() })
  await once(taken, 'listening')
  const address = `127.0.0.1:${(taken.address() as AddressInfo).port}`
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(vllmRouter, { vllmDiscoveryAddress: address })
  await t.rejects(app.listen({ port: 0 }), { message: `--vllm-discovery-address ${address} cannot be listened on: it is in use by another process` })
})
