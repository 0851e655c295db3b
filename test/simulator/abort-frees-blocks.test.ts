// An aborted request is out of the engine at once, whether it waits, prefills or decodes.
import t from 'tap'
import { Engine, VirtualClock } from '../../simulator/index.ts'

t.test('aborts', async t => {
  const clock = new VirtualClock()
  const engine = new Engine({ maxNumSeqs: 1, kvBlocks: 100 }, clock)
  const log: string[] = []
  const submit = (name: string, tokens: number): { abort (): void } => engine.submit({
    prompt: Array.from({ length: tokens }, (_, at) => at),
    maxTokens: 50,
    onToken: index => log.push(`${name}${index}`),
    onFinished: reason => log.push(`${name} ${reason}`)
  })
  const first = submit('a', 160)
  const second = submit('b', 160)
  const third = submit('c', 16)
  clock.run(25)
  t.same(log, ['a0', 'a1'])
  t.equal(engine.stats().kvUsage, 0.11, 'ten blocks of prompt and one of answer')
  second.abort()
  t.same(log.splice(0), ['a0', 'a1', 'b abort'], 'a waiting request is told at once')
  t.equal(engine.stats().waiting, 1)
  first.abort()
  first.abort()
  t.same(log.splice(0), ['a abort'], 'told once')
  t.equal(engine.stats().running, 0)
  t.equal(engine.stats().kvUsage, 0)
  clock.run(45)
  t.same(log.splice(0), ['c0'], 'the next one has the place; the aborted one gets no more tokens')
  third.abort()
  clock.run()
  t.same(log, ['c abort'])
  t.equal(engine.stats().aborted, 3)
  t.same(engine.stats().finished, { stop: 0, length: 0 })
})

t.test('a request aborted by its own token callback', async t => {
  const clock = new VirtualClock()
  const engine = new Engine({}, clock)
  const seen: number[] = []
  const handle = engine.submit({
    prompt: [1],
    maxTokens: 10,
    onToken (index) {
      seen.push(index)
      if (index === 2) handle.abort()
    }
  })
  clock.run()
  t.same(seen, [0, 1, 2])
  t.equal(engine.stats().aborted, 1)
})
