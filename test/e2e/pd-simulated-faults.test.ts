// Under load one worker of either pool is killed, hangs, fails, resets or restarts: no client whose answer had not begun notices, and no blocks are left in the end.
// Takes long, and so a process of its own.
import t from 'tap'
import type { FailureMode, StartedSimulator } from '../../simulator/index.ts'
import { chat, post } from '../helpers/client.ts'
import { startKvFleet } from '../helpers/kv-fleet.ts'
import { samplesOf } from '../helpers/samples.ts'
import { until } from '../helpers/until.ts'

t.setTimeout(180_000)

/** What happens to the worker, and whether it is well again after a while. */
const faults: ReadonlyArray<[name: string, mode: FailureMode, back: boolean]> = [
  ['killed', 'refuse', false], ['restarting', 'refuse', true], ['hanging', 'hang', false], ['failing', 'status', false], ['resetting', 'reset', false]
]

for (const [connector, mode, wanted] of [
  ['nixl', 'pull', ['killed', 'restarting', 'hanging', 'failing', 'resetting']], ['nixl', 'push', ['killed', 'hanging']], ['mooncake', 'pull', ['killed', 'hanging']],
  ['p2p-nccl', 'pull', ['killed', 'restarting', 'hanging', 'failing']], ['moriio', 'pull', ['killed', 'restarting', 'hanging', 'failing']], ['moriio', 'push', ['killed', 'hanging']]
] as const) {
  const some = faults.filter(([fault]) => (wanted as readonly string[]).includes(fault))
  t.test(`${connector}, ${mode}`, async t => {
    for (const pool of ['prefill', 'decode'] as const) {
      await Promise.all(some.map(async ([fault, failure, back]) => {
        const name = `${fault} ${pool} worker`
        const fleet = await startKvFleet(t, {
          connector,
          worker: { kvTransferMode: mode, kvHoldTimeoutMs: 1500, kvLoadTimeoutMs: 1000 },
          router: { policy: 'random', firstByteTimeoutSecs: 2, healthCheckIntervalSecs: 0.5, cbFailureThreshold: 5, cbTimeoutDurationSecs: 1 }
        })
        const bad = fleet[pool][0]?.app.simulator
        const total = 48
        let next = 0
        let cut = 0
        const errors: string[] = []
        async function client (): Promise<void> {
          while (next < total) {
            const n = next++
            if (n === 12) await bad?.failures.set({ mode: failure })
            if (n === 32 && back) await bad?.failures.clear()
            const stream = n % 3 === 0
            const response = await post(fleet.url + '/v1/chat/completions', chat(`conversation ${n % 20} `.repeat(20), { stream }))
            const text = await response.text().catch(() => 'broken')
            if (response.status !== 200) errors.push(`${response.status} ${text}`)
            // cut by the death of its worker after the first byte
            else if (text.includes('stream_broken') || text === 'broken') cut++
          }
        }
        await Promise.all(Array.from({ length: 6 }, client))
        t.same(errors, [], `${name}: no errors`)
        t.ok(cut <= 6, `${name}: only what ran when it died may break`)
        await until(`${name}: no lease`, () => fleet.router.workers.list().every(worker => worker.inFlight === 0))
        // what nobody fetched is given up by the engines themselves
        await until(`${name}: no blocks`, () => fleet.heldBlocks() === 0, 10_000)
        // P2pNccl sends blocks unasked: what a worker got and then did not serve lies there, as with vLLM, and is counted
        const unclaimed = ({ app }: StartedSimulator): number => app.simulator.kv?.unclaimed ?? 0
        const elsewhere = [...fleet.prefill, ...fleet.decode].filter(worker => worker.app.simulator !== bad)
        t.same(elsewhere.map(unclaimed), elsewhere.map(() => 0), `${name}: nor any that were sent in vain`)
        t.equal(fleet.harm().deaths, 0, `${name}: no engine died`)
        const { ok: _, repeated = 0, unreachable = 0, timeout = 0, stale = 0, ...odd } = fleet.results()
        t.same(odd, {}, `${name}: nobody asked for another's blocks`)
        t.equal(repeated, 0, `${name}: nor for any twice`)
        const samples = await samplesOf(fleet.router)
        t.ok(fleet.harm().unclaimed <= samples.sum('pd_leaked_prefills_total'), `${name}: but those that are told`)
        t.comment(`${name}: ${unreachable} unreachable, ${timeout} timeout, ${stale} stale, ${samples.sum('pd_leaked_prefills_total')} leaked, ${samples.sum('retries_total')} retries`)
      }))
    }
  })
}
