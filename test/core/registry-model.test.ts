// The registry equals the union of what its sources state, and its candidates are the ready workers, after any sequence of changes.
import fc from 'fast-check'
import t from 'tap'
import { Lease } from '../../core/lease.ts'
import { WorkerRegistry } from '../../core/registry.ts'
import type { Role, Worker, WorkerSpec } from '../../core/worker.ts'

const roles: readonly Role[] = ['regular', 'prefill', 'decode']
const models = ['a', 'b', 'c'] as const

const spec: fc.Arbitrary<WorkerSpec> = fc.record({
  url: fc.integer({ min: 1, max: 4 }).map(n => `http://w${n}`),
  role: fc.constantFrom<Role>('regular', 'regular', 'prefill', 'decode'),
  ranks: fc.constantFrom(1, 1, 2)
})
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('apply' as const), source: fc.constantFrom('one', 'two', 'three'), specs: fc.array(spec, { maxLength: 5 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('state' as const), which: fc.nat(), state: fc.constantFrom('starting' as const, 'ready' as const, 'ready' as const, 'unhealthy' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('acquire' as const), which: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('release' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('models' as const), which: fc.nat(), names: fc.subarray([...models]) }) }
)

function idsOf ({ url, ranks = 1 }: WorkerSpec): string[] {
  return ranks === 1 ? [url] : Array.from({ length: ranks }, (_, rank) => `${url}@${rank}`)
}

function same (what: string, found: Iterable<unknown>, wanted: Iterable<unknown>): void {
  const [one, other] = [[...found].map(String).sort(), [...wanted].map(String).sort()]
  if (one.join() !== other.join()) throw new Error(`${what}: ${one.join()}, not ${other.join()}`)
}

t.test('any sequence', async t => {
  fc.assert(fc.property(fc.array(step, { maxLength: 60, size: 'max' }), steps => {
    const registry = new WorkerRegistry()
    const stated = new Map<string, Map<string, Role>>()
    const leases: Lease[] = []
    const alive = new Set<Worker>()
    const seen = new Set<Worker>()
    registry.on('added', worker => {
      if (seen.has(worker)) throw new Error(`${worker.id} came twice`)
      alive.add(worker)
      seen.add(worker)
    })
    registry.on('removed', worker => { if (!alive.delete(worker)) throw new Error(`${worker.id} left without having come`) })
    registry.on('changed', (worker, from) => { if (!alive.has(worker) || worker.state === from) throw new Error(`no change of ${worker.id}`) })

    for (const step of steps) {
      const workers = registry.list()
      const worker = 'which' in step ? workers[step.which % Math.max(1, workers.length)] : undefined
      if (step.kind === 'apply') {
        stated.set(step.source, new Map(step.specs.flatMap(spec => idsOf(spec).map(id => [id, spec.role ?? 'regular']))))
        registry.apply(step.source, step.specs)
      } else if (step.kind === 'release') {
        const [lease] = leases.length === 0 ? [] : leases.splice(step.which % leases.length, 1)
        lease?.end()
      } else if (worker !== undefined && step.kind === 'state') registry.setState(worker, step.state, 'test')
      else if (worker !== undefined && step.kind === 'acquire') leases.push(new Lease(registry, worker))
      else if (worker !== undefined && step.kind === 'models') registry.setModels(worker, new Map(step.names.map(name => [name, { id: name }])))

      const held = (worker: Worker): number => leases.filter(lease => lease.worker === worker).length
      const union = new Set([...stated.values()].flatMap(ids => [...ids.keys()]))
      const leaving = registry.list().filter(worker => !union.has(worker.id))
      same('ids', registry.list().map(worker => worker.id), new Set([...union, ...leaving.map(worker => worker.id)]))
      if (leaving.some(worker => worker.state !== 'draining' || held(worker) === 0)) throw new Error('kept without need')
      same('alive', registry.list().map(worker => worker.id), [...alive].map(worker => worker.id))
      same('URLs', registry.urls(), new Set(registry.list().map(worker => worker.url)))
      for (const url of registry.urls()) same('at', registry.at(url).map(worker => worker.id), registry.list().filter(worker => worker.url === url).map(worker => worker.id))
      for (const worker of seen) {
        if ((worker.state !== 'gone') !== alive.has(worker)) throw new Error(`${worker.id} is ${worker.state}`)
        if (worker.inFlight !== held(worker)) throw new Error(`${worker.id} counts ${worker.inFlight}, not ${held(worker)}`)
      }
      for (const worker of registry.list()) {
        same(`sources of ${worker.id}`, worker.sources, [...stated].filter(([, ids]) => ids.has(worker.id)).map(([name]) => name))
        if ((worker.state === 'draining') !== !union.has(worker.id)) throw new Error(`${worker.id} is ${worker.state}`)
        const ruling = stated.get(worker.sources[0] ?? '')?.get(worker.id)
        if (ruling !== undefined && ruling !== worker.role) throw new Error(`${worker.id} is ${worker.role}, not ${ruling}`)
      }
      for (const role of roles) {
        const ready = registry.list().filter(worker => worker.role === role && worker.state === 'ready')
        const candidates = registry.candidates(role)
        same(`candidates for ${role}`, candidates.workers.map(worker => worker.id), ready.map(worker => worker.id))
        const low = ready.length === 0 ? 0 : Math.min(...ready.map(worker => worker.inFlight))
        if (candidates.minInFlight !== low) throw new Error(`the least is ${candidates.minInFlight}, not ${low}`)
        for (const model of models) {
          const serving = ready.filter(worker => worker.models?.has(model))
          const list = registry.serving(role, model)
          // known as long as anybody who stays serves it, ready or not: then the list may be empty
          const known = registry.list().some(worker => worker.role === role && worker.state !== 'draining' && worker.models?.has(model))
          if ((list !== undefined) !== known) throw new Error(`${model} is known or not`)
          same(`serving ${model}`, list?.workers.map(worker => worker.id) ?? [], serving.map(worker => worker.id))
        }
      }
      same('models', registry.models().keys(), new Set(registry.list().filter(worker => worker.state === 'ready').flatMap(worker => [...worker.models?.keys() ?? []])))
    }
    for (const lease of leases) lease.end()
    for (const source of stated.keys()) registry.apply(source, [])
    if (registry.size !== 0 || alive.size !== 0) throw new Error('somebody stays')
  }), { seed: 3, numRuns: 300 })
  t.pass('no counterexample')
})
