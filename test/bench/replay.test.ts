// A replay is the same each time, and shows what a policy is worth: turns that stay where their cache is.
import t from 'tap'
import { stickyUntilSaturated } from '../../policies/index.ts'
import { figuresOf } from '../../bench/replay/figures.ts'
import { replay } from '../../bench/replay/run.ts'
import { PrefixNumbers } from '../../bench/replay/trace.ts'
import type { Arrival, OpenTrace } from '../../bench/replay/trace.ts'
import { createPolicy } from '../../policies/index.ts'
import type { Policy, PolicyContext } from '../../policies/index.ts'

/** Conversations of five turns, each turn 16 blocks longer than the one before, one turn of somebody every 50 ms. */
function conversations (count: number): OpenTrace {
  const numbers = new PrefixNumbers()
  const arrivals: Arrival[] = []
  for (let turn = 0; turn < 5; turn++) {
    for (let who = 0; who < count; who++) {
      const blocks = (turn + 1) * 16
      arrivals.push({
        at: (turn * count + who) * 50, tokens: blocks * 16 + 1, output: 20, session: undefined, blocks: numbers.chain(Array.from({ length: blocks }, (_, at) => `${who} ${at}`))
      })
    }
  }
  return { name: 'conversations', loop: 'open', blockSize: 16, arrivals }
}

const trace = conversations(41)
const play = (policy: (context: PolicyContext) => Policy): ReturnType<typeof figuresOf> =>
  figuresOf(replay(trace, { workers: 4, engine: { blockSize: 16, kvBlocks: 4096 }, policy, seed: 7, load: 1 }), { ttftMs: 200, itlMs: 50 })

t.test('the same each time', async t => {
  const once = play(context => createPolicy('random', {}, context))
  t.same(play(context => createPolicy('random', {}, context)), once)
  t.equal(once.requests, trace.arrivals.length)
  t.equal(once.refused, 0)
})

t.test('what is kept is worth something', async t => {
  const turns = play(context => createPolicy('round_robin', {}, context))
  const aware = play(context => createPolicy('cache_aware', {}, context))
  const sticky = play(context => stickyUntilSaturated(context))
  // four of five turns repeat the one before: 10 of 15 parts of all tokens
  for (const one of [aware, sticky]) t.ok(one.hit_rate > 0.6 && one.hit_rate < 0.67, `hit rate ${one.hit_rate}`)
  t.ok(turns.hit_rate < aware.hit_rate)
  t.ok(sticky.ttft_p90_ms <= turns.ttft_p90_ms)
})
