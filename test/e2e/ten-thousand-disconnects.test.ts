// 10,000 clients leave at random moments, on both ways out, and not one lease, place in the policy or worker's sequence is left held.
import { connect } from 'node:net'
import t from 'tap'
import type { Call } from '../../plugins/call.ts'
import { requestBytes, send } from '../helpers/raw-client.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

const clients = 10_000
const atOnce = 64
const seed = Number(process.env['SEED'] ?? 20_240_611)

/** Mulberry32: the same clients each time. */
function randomFrom (state: number): () => number {
  return () => {
    state = state + 0x6d2b79f5 | 0
    let mixed = Math.imul(state ^ state >>> 15, 1 | state)
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed
    return ((mixed ^ mixed >>> 14) >>> 0) / 4_294_967_296
  }
}

t.setTimeout(60_000)
t.test('random disconnects', { timeout: 60_000 }, async t => {
  const workers = await startWorkers(t, 3, { interTokenLatencyMs: 1, prefillRate: 1e6, maxNumSeqs: 16 })
  const { port, router } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), policy: 'cache_aware' })
  const random = randomFrom(seed)
  const some = (below: number): number => Math.floor(random() * below)

  let begun = 0
  const ends = new Map<string, number>()
  router.balancer.on('assigned', () => { begun++ })
  router.calls.on('settled', (call: Call) => {
    const end = call.exchange.end ?? 'none'
    ends.set(end, (ends.get(end) ?? 0) + 1)
  })
  const unhandled: unknown[] = []
  const note = (error: unknown): void => { unhandled.push(error) }
  process.on('unhandledRejection', note)
  process.on('uncaughtException', note)
  t.teardown(() => process.off('unhandledRejection', note).off('uncaughtException', note))

  /** One client: asks, and leaves in a random phase. */
  function visit (): Promise<void> {
    const kind = some(8)
    const stream = kind < 4
    const path = ['/v1/chat/completions', '/v1/completions', '/v1/responses', '/v1/chat/completions', '/v1/chat/completions', '/v1/completions', '/tokenize', '/v1/embeddings'][kind] ?? '/'
    const body = JSON.stringify({ model: 'simulated', stream, max_tokens: 1 + some(40), messages: [{ role: 'user', content: `hello ${some(100)}` }], prompt: `p ${some(100)}`, input: 'i' })
    const phase = some(6)
    const one = requestBytes({ path, headers: [['Content-Type', 'application/json']], body }, phase === 4 ? 'close' : 'keep-alive')
    const bytes = some(20) === 0 ? Buffer.concat([one, one]) : one
    const sent = phase === 0 ? bytes.subarray(0, some(bytes.length)) : bytes
    const patience = phase === 2 ? 0 : random() * 8
    const events = some(5)
    return new Promise(resolve => {
      const socket = connect(port, '127.0.0.1')
      const leave = (): void => { some(2) === 0 ? socket.resetAndDestroy() : socket.destroy() }
      let seen = 0
      socket.on('error', () => {})
      socket.on('close', () => resolve())
      socket.on('connect', () => {
        if (phase === 5) socket.pause()
        socket.write(sent, () => {
          if (phase === 1) leave()
          else if (phase !== 4) setTimeout(leave, patience)
        })
      })
      socket.on('data', () => {
        // the others wait for some of the answer: at its end at the latest
        if (phase === 4 && (!stream || seen++ >= events)) leave()
      })
    })
  }

  let left = clients
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (left-- > 0) await visit()
  }))

  await until('no lease', () => router.workers.list().every(worker => worker.inFlight === 0))
  await until('no place', () => router.admission.inFlight === 0 && router.admission.waiting === 0 && router.deliveries.size === 0)
  await until('no sequence', () => workers.every(({ app }) => app.simulator.engines.every(engine => engine.load === 0)))
  t.equal([...ends.values()].reduce((sum, count) => sum + count, 0), begun, 'every call was settled once')
  t.same(unhandled, [])
  t.ok((ends.get('client_gone') ?? 0) > clients / 4, 'many left in the middle')
  t.ok((ends.get('completed') ?? 0) > clients / 20, 'some stayed')
  t.equal(ends.get('failed') ?? 0, 0)
  t.equal(ends.get('broken') ?? 0, 0)
  t.same(router.workers.list().map(worker => [worker.state, worker.load]), [['ready', 0], ['ready', 0], ['ready', 0]])
  t.comment(`seed ${seed}: ${begun} calls`, Object.fromEntries(ends))
  const shares = await Promise.all(Array.from({ length: 12 }, (_, at) => send(port, {
    path: '/v1/completions', headers: [['Content-Type', 'application/json']], body: JSON.stringify({ model: 'simulated', prompt: `after ${at}`, max_tokens: 2 })
  })))
  t.ok(shares.every(({ status, complete }) => status === 200 && complete), 'it still serves')
  await until('no lease', () => router.workers.list().every(worker => worker.inFlight === 0))
  await until('no place', () => router.admission.inFlight === 0 && router.admission.waiting === 0 && router.deliveries.size === 0)
})
