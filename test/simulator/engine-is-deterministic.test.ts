// The same requests at the same times give the same tokens at the same times.
import t from 'tap'
import { Engine, VirtualClock } from '../../simulator/index.ts'

function replay (prefillRate: number): { log: string, preemptions: number, hits: number } {
  const clock = new VirtualClock()
  const engines = [0, 1, 2].map(() => new Engine({ kvBlocks: 40, maxNumSeqs: 8, prefillRate }, clock))
  const log: string[] = []
  for (let request = 0; request < 200; request++) {
    clock.after(request * 7.3, () => engines[request % 3]?.submit({
      prompt: { blocks: Array.from({ length: 20 }, (_, at) => request % 5 * 100 + at), tokens: 50 + request * 37 % 200 },
      maxTokens: 1 + request * 13 % 90,
      onToken: index => log.push(`${request}.${index}@${clock.now()}`),
      onFinished: reason => log.push(`${request} ${reason}@${clock.now()}`)
    }))
  }
  clock.run()
  const stats = engines.map(engine => engine.stats())
  return { log: log.join('\n'), preemptions: stats.reduce((sum, one) => sum + one.preemptions, 0), hits: stats.reduce((sum, one) => sum + one.prefixHits, 0) }
}

t.test('two replays are equal, and a third with another speed is not', async t => {
  const first = replay(20_000)
  t.ok(first.preemptions > 0 && first.hits > 0, 'the replay has preemptions and hits')
  t.ok(first.log === replay(20_000).log)
  t.not(first.log, replay(5_000).log)
})
