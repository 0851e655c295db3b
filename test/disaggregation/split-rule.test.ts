// What is split, by what it saves and what it costs; and the count of what prefill workers have before them.
import fc from 'fast-check'
import t from 'tap'
import { WorkerRegistry } from '../../core/registry.ts'
import { PromptBacklog } from '../../disaggregation/backlog.ts'
import { splitDefaults, whyAlone } from '../../disaggregation/split-rule.ts'

t.test('cases', async t => {
  for (const [uncached, backlog, minUncached, maxBacklog, expected] of [
    [1023, 0, 1024, 4, 'short'], [1024, 0, 1024, 4, undefined], [1024, 4096, 1024, 4, undefined], [1024, 4097, 1024, 4, 'busy'],
    [10_000, 4097, 1024, 4, undefined], [10_000, 1e9, 1024, 0, undefined], [0, 1e9, 0, 4, undefined], [1e12, 0, Infinity, 4, 'short']
  ] as const) {
    t.equal(whyAlone(uncached, () => backlog, { minUncached, maxBacklog }), expected, JSON.stringify([uncached, backlog, minUncached, maxBacklog]))
  }
  whyAlone(1, () => t.fail('a short prompt asks for no backlog') as never, splitDefaults)
})

t.test('the backlog is the sum of what is under way', async t => {
  const registry = new WorkerRegistry()
  registry.apply('test', [{ url: 'http://a', role: 'prefill' }, { url: 'http://b', role: 'prefill' }])
  const workers = registry.list()
  for (const worker of workers) registry.setState(worker, 'ready', 'test')
  const step = fc.record({ part: fc.nat(5), worker: fc.nat(1), tokens: fc.double({ min: 0.1, max: 1e6, noNaN: true }), ends: fc.boolean() })
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), steps => {
    const backlog = new PromptBacklog()
    const parts = Array.from({ length: 6 }, () => ({}))
    const open = new Map<number, { worker: number, tokens: number }>()
    for (const { part, worker, tokens, ends } of steps) {
      const [by, on] = [parts[part], workers[worker]]
      if (by === undefined || on === undefined) return false
      if (ends) {
        backlog.ended(by)
        open.delete(part)
      } else {
        backlog.begun(by, on, tokens)
        open.set(part, { worker, tokens })
      }
      for (const [at, one] of workers.entries()) {
        const sum = [...open.values()].filter(other => other.worker === at).reduce((total, { tokens }) => total + tokens, 0)
        if (Math.abs(backlog.of(one) - sum) > 1e-3) return false
      }
    }
    for (const part of parts) backlog.ended(part)
    return backlog.size === 0
  }))
  const backlog = new PromptBacklog()
  const [a, b] = workers
  if (a === undefined || b === undefined) throw new Error('no workers')
  backlog.begun({}, a, 5)
  backlog.begun({}, b, 7)
  a.acquire()
  t.equal(backlog.least(registry.candidates('prefill')), 7, 'that with the fewest requests counts')
  t.equal(backlog.least(registry.candidates('decode')), 0, 'nobody has nothing to do')
})
