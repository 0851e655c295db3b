// Counters and histograms counted in plain numbers look to a scraper as those of prom-client do, whatever happened.
import fc from 'fast-check'
import client from 'prom-client'
import t from 'tap'
import { countFamily, spreadFamily } from '../../plugins/tallies.ts'

const buckets = [0.001, 0.5, 1, 10]
const value = fc.oneof(fc.constantFrom(...buckets, 0), fc.double({ min: 0, max: 20, noNaN: true }))
const label = fc.constantFrom('/v1/chat/completions', 'a"b\\c\nd', 'other', 'constructor')
const step = fc.record({ what: fc.constantFrom('count', 'count', 'spread', 'spread', 'remove'), first: label, second: label, value })

t.test('the same text', async t => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60 }), async steps => {
    const theirs = new client.Registry()
    const ours = new client.Registry()
    const names = ['first', 'second'] as const
    const counter = new client.Counter({ name: 'c', help: 'Counts', labelNames: names, registers: [theirs] })
    const histogram = new client.Histogram({ name: 'h', help: 'Spreads', buckets, labelNames: names, registers: [theirs] })
    const plainCounter = new client.Counter({ name: 'pc', help: 'Counts', registers: [theirs] })
    const plainHistogram = new client.Histogram({ name: 'ph', help: 'Spreads', buckets, registers: [theirs] })
    const counts = countFamily(client, ours, 'c', 'Counts', names)
    const spreads = spreadFamily(client, ours, 'h', 'Spreads', buckets, names)
    const count = countFamily(client, ours, 'pc', 'Counts', []).labels()
    const spread = spreadFamily(client, ours, 'ph', 'Spreads', buckets, []).labels()
    for (const { what, first, second, value } of steps) {
      if (what === 'count') {
        for (const one of [counter, counts]) one.labels(first, second).inc(value)
        for (const one of [plainCounter, count]) one.inc()
      } else if (what === 'spread') {
        for (const one of [histogram, spreads]) one.labels(first, second).observe(value)
        for (const one of [plainHistogram, spread]) one.observe(value)
      } else for (const one of [counter, counts, histogram, spreads]) one.remove(first, second)
    }
    t.equal(await ours.metrics(), await theirs.metrics())
    // a second look finds the same
    t.equal(await ours.metrics(), await theirs.metrics())
  }), { numRuns: 100 })
})
