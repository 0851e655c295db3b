// What a worker reports beyond the router's own requests is others' load; a worker that reports nothing counts as having none.
import t from 'tap'
import { WorkerRegistry } from '../../core/registry.ts'
import { LoadScraper } from '../../discovery/load-scraper.ts'
import { ManualClock } from '../helpers/manual-clock.ts'

t.test('of servers and of ranks', async t => {
  const clock = new ManualClock()
  const registry = new WorkerRegistry()
  registry.apply('test', [{ url: 'http://one' }, { url: 'http://ranks', ranks: 3 }])
  const [one, zero, first, second] = registry.list()
  let reported: Record<string, Record<string, number>> = { 'http://one': { 0: 4, 1: 3 }, 'http://ranks': { 0: 5, 1: 1 } }
  const scraper = new LoadScraper({
    registry,
    clock,
    random: () => 0.5,
    intervalMs: 5000,
    client: {
      async loads (url) {
        const loads = reported[url]
        if (loads === undefined) throw new Error('404')
        return new Map(Object.entries(loads))
      }
    }
  })
  t.teardown(() => scraper.stop())
  for (const worker of [one, one, zero, first, first, second]) worker?.acquire()
  scraper.start()
  await clock.advance(0)
  t.same([one, zero, first, second].map(worker => worker?.foreignLoad), [5, 4, 0, 0])
  t.same([one?.load, zero?.load], [7, 5])
  reported = { 'http://one': { 0: 9 } }
  await clock.advance(5000)
  t.same([one, zero, first, second].map(worker => worker?.foreignLoad), [7, 0, 0, 0])
  scraper.stop()
  t.equal(clock.pending, 0)
})

t.test('requests that come or go during the answer are the router\'s own', async t => {
  const clock = new ManualClock()
  const registry = new WorkerRegistry()
  registry.apply('test', [{ url: 'http://one' }])
  const [worker] = registry.list()
  worker?.acquire()
  worker?.acquire()
  const scraper = new LoadScraper({
    registry,
    clock,
    random: () => 0.5,
    intervalMs: 5000,
    client: {
      async loads () {
        worker?.release()
        return new Map([['0', 2]])
      }
    }
  })
  scraper.start()
  await clock.advance(0)
  scraper.stop()
  t.equal(worker?.foreignLoad, 0)
})
