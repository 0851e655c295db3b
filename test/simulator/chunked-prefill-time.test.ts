// A prompt takes its tokens divided by the prefill rate, in chunks of the step's budget, and the others decode meanwhile.
import t from 'tap'
import { Engine, VirtualClock } from '../../simulator/index.ts'

t.test('time to first token', async t => {
  for (const tokens of [100, 2048, 10_000, 100_000]) {
    const clock = new VirtualClock()
    const engine = new Engine({}, clock)
    let first = NaN
    engine.submit({ prompt: { blocks: [], tokens }, maxTokens: 3, onToken (index) { if (index === 0) first = clock.now() } })
    clock.run()
    const wanted = tokens / 20_000 * 1000
    t.ok(first >= wanted - 1e-6 && first <= wanted + 10, `${tokens} tokens: ${first} ms`)
    t.ok(Math.abs(clock.now() - first - 20) < 1e-6, 'two more tokens, 10 ms each')
    t.equal(engine.stats().steps, Math.ceil(tokens / 2048) + 2)
  }
})

t.test('a decoding request gets a token in every step of a long prefill', async t => {
  const clock = new VirtualClock()
  const engine = new Engine({}, clock)
  const tokens: number[] = []
  engine.submit({ prompt: [1, 2, 3], maxTokens: 20, onToken: () => tokens.push(clock.now()) })
  clock.run(15)
  engine.submit({ prompt: { blocks: [], tokens: 20_480 }, maxTokens: 1 })
  clock.run()
  const gaps = tokens.slice(1).map((time, at) => time - (tokens[at] ?? 0))
  t.ok(Math.max(...gaps) <= 2048 / 20 + 1e-6, 'never more than one full step between two tokens')
  t.ok(gaps.filter(gap => gap > 100).length >= 9, 'but the prefill slows it down')
})

t.test('a larger batch decodes more slowly', async t => {
  const gap = (requests: number): number => {
    const clock = new VirtualClock()
    const engine = new Engine({ interTokenSlopeMs: 0.5 }, clock)
    for (let at = 0; at < requests; at++) engine.submit({ prompt: [at], maxTokens: 11 })
    clock.run()
    return clock.now() / (requests === 1 ? 11 : 12)
  }
  t.equal(gap(1), 10)
  t.ok(gap(21) > 18 && gap(21) <= 20)
})
