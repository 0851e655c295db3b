// When running requests outgrow the KV cache the youngest goes back to the head of the queue and loses no token.
import t from 'tap'
import { Engine, VirtualClock } from '../../simulator/index.ts'

t.test('two requests that fit together only at first', async t => {
  const clock = new VirtualClock()
  const engine = new Engine({ blockSize: 4, kvBlocks: 10 }, clock)
  const ends: string[] = []
  const tokens = { old: [] as number[], young: [] as number[], late: [] as number[] }
  for (const name of ['old', 'young', 'late'] as const) {
    engine.submit({
      prompt: Array.from({ length: 12 }, (_, at) => name.length * 100 + at + (name === 'late' ? 50 : 0)),
      maxTokens: 20,
      onToken: index => tokens[name].push(index),
      onFinished: reason => ends.push(`${name} ${reason}`)
    })
  }
  clock.run()
  t.ok(engine.stats().preemptions > 0)
  t.same(ends, ['old length', 'young length', 'late length'], 'the oldest is never the one to yield')
  const all = Array.from({ length: 20 }, (_, at) => at)
  t.same(tokens, { old: all, young: all, late: all }, 'each token once and in order')
  t.equal(engine.stats().generationTokens, 60)
  t.equal(engine.stats().promptTokens, 36, 'a prompt computed twice is counted once')
  t.equal(engine.stats().kvUsage, 0)
})

t.test('the preempted request is the next to run, before those that never ran', async t => {
  const clock = new VirtualClock()
  const engine = new Engine({ blockSize: 4, kvBlocks: 10, maxNumSeqs: 2, maxNumBatchedTokens: 8 }, clock)
  const ends: string[] = []
  for (const [at, name] of ['old', 'young', 'late'].entries()) {
    engine.submit({ prompt: Array.from({ length: 16 }, (_, index) => at * 100 + index), maxTokens: 16, onFinished: () => ends.push(name) })
  }
  clock.run()
  t.same(ends, ['old', 'young', 'late'])
  t.equal(engine.stats().preemptions, 2)
})

t.test('a request waits when its cached blocks and its new ones are not free together', async t => {
  const clock = new VirtualClock()
  const engine = new Engine({ blockSize: 4, kvBlocks: 4 }, clock)
  engine.submit({ prompt: { blocks: [1, 2], tokens: 8 }, maxTokens: 0 })
  clock.run()
  engine.submit({ prompt: { blocks: [], tokens: 5 }, maxTokens: 3 })
  const again = engine.submit({ prompt: { blocks: [1, 2], tokens: 9 }, maxTokens: 1 })
  clock.run(clock.now() + 25)
  t.equal(engine.stats().running, 1)
  t.equal(engine.stats().waiting, 1)
  clock.run()
  t.equal(again.cachedTokens, 8, 'they were kept for it')
})

t.test('a request alone is never preempted, and ends where the cache does', async t => {
  const clock = new VirtualClock()
  const engine = new Engine({ blockSize: 4, kvBlocks: 10 }, clock)
  let reason = ''
  engine.submit({ prompt: Array.from({ length: 30 }, (_, at) => at), maxTokens: 1000, onFinished: why => { reason = why } })
  clock.run()
  t.equal(reason, 'length')
  t.equal(engine.stats().generationTokens, 10)
  t.equal(engine.stats().preemptions, 0)
  t.throws(() => engine.submit({ prompt: { blocks: [], tokens: 41 }, maxTokens: 1 }), RangeError)
})
