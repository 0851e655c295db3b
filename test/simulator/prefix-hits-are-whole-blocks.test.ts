// The prefix cache gives whole blocks, never the last token, and only for a common beginning.
import t from 'tap'
import { Engine, VirtualClock } from '../../simulator/index.ts'

function cached (engine: Engine, clock: VirtualClock, prompt: readonly number[], maxTokens = 1): number {
  const handle = engine.submit({ prompt, maxTokens })
  clock.run()
  return handle.cachedTokens
}

t.test('cached tokens of successive prompts', async t => {
  const clock = new VirtualClock()
  const engine = new Engine({ blockSize: 16 }, clock)
  const prompt = Array.from({ length: 40 }, (_, at) => at + 1)
  t.equal(cached(engine, clock, prompt), 0, 'nothing is known at first')
  t.equal(cached(engine, clock, prompt), 32, 'two whole blocks of 40 tokens')
  t.equal(cached(engine, clock, prompt.slice(0, 32)), 16, 'the last token is computed, and so its block')
  t.equal(cached(engine, clock, prompt.slice(0, 33)), 32)
  t.equal(cached(engine, clock, [...prompt.slice(0, 20), ...prompt.slice(0, 20)]), 16, 'the second block differs')
  t.equal(cached(engine, clock, [0, ...prompt]), 0, 'the same tokens at another place are another prefix')
  const { prefixQueries, prefixHits, promptTokens } = engine.stats()
  t.equal(prefixQueries, 40 + 40 + 32 + 33 + 40 + 41)
  t.equal(prefixHits, 32 + 16 + 32 + 16)
  t.equal(promptTokens, prefixQueries, 'cached tokens count as prompt tokens')
  t.equal(engine.reset(), true)
  t.equal(cached(engine, clock, prompt), 0, 'a reset forgets')
})

t.test('prompts given as blocks hit as those given as tokens', async t => {
  const clock = new VirtualClock()
  const engine = new Engine({ blockSize: 512 }, clock)
  const first = engine.submit({ prompt: { blocks: [1, 2, 3], tokens: 1200 }, maxTokens: 400 })
  clock.run()
  const second = engine.submit({ prompt: { blocks: [1, 2, 3, 4], tokens: 1700 }, maxTokens: 1 })
  clock.run()
  t.equal(first.cachedTokens, 0)
  t.equal(second.cachedTokens, 1536, 'the block that the answer filled counts too')
})

t.test('a reset is refused while blocks are in use', async t => {
  const clock = new VirtualClock()
  const engine = new Engine({}, clock)
  const handle = engine.submit({ prompt: [1, 2, 3], maxTokens: 100 })
  t.equal(engine.reset(), false)
  handle.abort()
  t.equal(engine.reset(), true)
})
