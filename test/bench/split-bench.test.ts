// What the rule is worth, in small: under short and long prompts it beats splitting everything and nothing, the same way each time.
import t from 'tap'
import { playSplit } from '../../bench/disaggregation/run.ts'
import type { PdFigures } from '../../bench/disaggregation/run.ts'
import { randomFrom } from '../../bench/faults/random.ts'
import { engineFor, profiles } from '../../bench/replay/profiles.ts'
import { PrefixNumbers } from '../../bench/replay/trace.ts'
import type { Arrival, OpenTrace } from '../../bench/replay/trace.ts'
import { splitDefaults } from '../../disaggregation/split-rule.ts'
import type { SplitLimits } from '../../disaggregation/split-rule.ts'

const blockSize = 512
const profile = profiles['qwen3-32b-2xh100']

/** Three of five requests are turns of conversations that grow by a block, the others prompts of 8,000 to 28,000 tokens that nobody knows. */
function mixed (count: number): OpenTrace {
  const numbers = new PrefixNumbers()
  const random = randomFrom(5)
  const turns = new Map<number, number>()
  let at = 0
  const arrivals = Array.from({ length: count }, (_, n): Arrival => {
    // at random moments, 3.4 a second
    at += -Math.log(1 - random()) * 290
    if (n % 5 < 2) {
      const blocks = 16 + Math.floor(random() * 40)
      return { at, tokens: blocks * blockSize + 100, output: 300, session: undefined, blocks: numbers.chain(Array.from({ length: blocks }, (_, block) => `${n} ${block}`)) }
    }
    const who = Math.floor(random() * 60)
    const turn = (turns.get(who) ?? 1) + 1
    turns.set(who, turn)
    return { at, tokens: turn * blockSize + 50, output: 300, session: undefined, blocks: numbers.chain(Array.from({ length: turn }, (_, block) => `talk ${who} ${block}`)) }
  })
  return { name: 'mixed', loop: 'open', blockSize, arrivals }
}

const trace = mixed(1500)
const play = (limits: SplitLimits): PdFigures => playSplit(trace, {
  prefill: 2,
  decode: 4,
  engine: { ...engineFor(profile, blockSize), kvTransferMsPerToken: 0.0105 },
  prefillPolicy: 'cache_aware',
  decodePolicy: 'cache_aware',
  limits,
  seed: 1
}, 1.6)

t.test('better than always and than never', async t => {
  const [own, always, never] = [splitDefaults, { minUncached: 0, maxBacklog: 0 }, { minUncached: Infinity, maxBacklog: 0 }].map(play)
  if (own === undefined || always === undefined || never === undefined) throw new Error('nothing was played')
  t.comment(JSON.stringify({ own, always, never }))
  t.same([own.requests, always.requests, never.requests], [1500, 1500, 1500])
  t.same([always.split, never.split], [1, 0])
  t.ok(own.ttft_p90_ms <= 0.7 * always.ttft_p90_ms, `${own.ttft_p90_ms} against always ${always.ttft_p90_ms}`)
  t.ok(own.ttft_p90_ms <= 0.7 * never.ttft_p90_ms, `${own.ttft_p90_ms} against never ${never.ttft_p90_ms}`)
  t.ok(own.itl_p90_ms < never.itl_p90_ms, 'and answers are held up less than where decode workers do it all')
  t.same(play(splitDefaults), own, 'the same each time')
})
