// The process whose memory test/plugins/auth-no-token-in-memory.test.ts looks into: a router that asks for callers, as a parent process says.
import { setImmediate } from 'node:timers/promises'
import { writeHeapSnapshot } from 'node:v8'
import Fastify from 'fastify'
import vllmRouter from '../../router.ts'
import type { VllmRouterOptions } from '../../router.ts'

/** What the parent says: options to start with, or a file for a snapshot. */
type Order = { readonly start: VllmRouterOptions } | { readonly snapshot: string }

/** What somebody keeps by mistake: the test must find it. */
export const kept: string[] = []

const app = Fastify({ logger: { level: 'info', stream: { write () {} } } })

async function obey (order: Order): Promise<string> {
  if ('start' in order) {
    await app.register(vllmRouter, {
      ...order.start,
      accessLog: true,
      extend (router) {
        router.addHook('onRequest', async ({ headers }) => { if (headers['x-keep'] !== undefined) kept.push(String(headers.authorization)) })
      }
    })
    return await app.listen({ host: '127.0.0.1', port: 0 })
  }
  // what is weakly held goes with the second collection, what ends with a turn of the loop in between
  for (let i = 0; i < 5; i++) {
    await setImmediate()
    globalThis.gc?.()
  }
  return writeHeapSnapshot(order.snapshot)
}

process.on('message', (order: Order) => {
  obey(order).then(answer => process.send?.(answer), (error: unknown) => process.send?.(`failed: ${String(error)}`))
})
process.on('disconnect', () => process.exit())
