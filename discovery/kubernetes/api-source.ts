// The source that follows pods or EndpointSlices at the API server and states the workers among them.
import { systemClock } from '../../core/clock.ts'
import type { Clock, Timer } from '../../core/clock.ts'
import type { Role, WorkerSpec } from '../../core/worker.ts'
import type { DiscoverySource, SourceCounts, SourceHealth, SourceLog } from '../discovery.ts'
import type { ListWatchApi } from './api.ts'
import { readSlice, serviceLabel, sliceReadings } from './endpoint-slices.ts'
import { readPod } from './pods.ts'
import type { Reading, Rules } from './reading.ts'
import { Reflector, defaultSilenceMs } from './reflector.ts'
import type { ReflectorOptions } from './reflector.ts'

/** Changes within so many milliseconds after a statement are stated together: a thousand pods that change at once are few statements. */
const gatherMs = 50

/** One kind of worker, and the labels it is known by: `key=value`, all of them. */
export interface RoleSelector {
  readonly role: Role
  readonly selector: readonly string[]
}

/** What to follow. */
export interface ApiSourceOptions {
  readonly api: ListWatchApi
  readonly mode: 'pods' | 'endpointslices'
  /** In order: what several select has the first one's role. */
  readonly roles: readonly RoleSelector[]
  /** None is all. */
  readonly namespaces: readonly string[]
  /** Services whose slices are followed; for `endpointslices`. */
  readonly services: readonly string[]
  readonly port: string
  readonly ranks: number
  readonly resyncMs: number
  readonly log: SourceLog
  readonly silenceMs?: number | undefined
  readonly clock?: Clock | undefined
  readonly random?: (() => number) | undefined
}

/** One collection that is followed. */
interface Followed {
  readonly role: Role
  readonly reflector: Pick<Reflector<object>, 'start' | 'stop' | 'listed' | 'trouble' | 'staleMs' | 'size' | 'relists' | 'watchRestarts'>
  readonly readings: () => Iterable<Reading>
}

/** A source named `kubernetes`. */
export function apiSource (options: ApiSourceOptions): DiscoverySource {
  const { api, mode, namespaces, log, clock = systemClock, random = Math.random } = options
  const kind = mode === 'pods'
    ? { group: '/api/v1', plural: 'pods', resource: 'pods' }
    : { group: '/apis/discovery.k8s.io/v1', plural: 'endpointslices', resource: 'endpointslices.discovery.k8s.io' }
  const followed = options.roles.flatMap(one => (namespaces.length === 0 ? [undefined] : namespaces).map(namespace => follow(one, namespace)))
  /** Problems that were told, by object. */
  let told = new Map<string, string>()
  let found = 0
  let workers = 0
  let tell: ((specs: readonly WorkerSpec[]) => void) | undefined
  let timer: Timer | undefined
  let statedAt = -Infinity

  function follow ({ role, selector }: RoleSelector, namespace: string | undefined): Followed {
    const rules: Rules = { role, port: options.port, ranks: options.ranks }
    const of = { role, namespace, selector }
    if (mode === 'pods') {
      const reflector = new Reflector<Reading>({ ...collection(of), read: object => readPod(object, rules) })
      return { role, reflector, readings: () => reflector.items() }
    }
    const reflector = new Reflector({ ...collection(of), read: readSlice })
    return { role, reflector, readings: () => sliceReadings(reflector.items(), rules) }
  }

  function collection ({ namespace, selector }: { namespace: string | undefined, selector: readonly string[] }): Omit<ReflectorOptions<object>, 'read'> {
    const services = mode === 'pods' ? [] : [`${serviceLabel} in (${options.services.join(',')})`]
    return {
      api,
      path: `${kind.group}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${kind.plural}`,
      labelSelector: [...services, ...selector].join(','),
      what: `${kind.plural} in ${namespace === undefined ? 'all namespaces' : `namespace "${namespace}"`}`,
      resource: kind.resource,
      changed: soon,
      resyncMs: options.resyncMs,
      silenceMs: options.silenceMs ?? defaultSilenceMs,
      clock,
      random,
      log
    }
  }

  function soon (): void {
    timer ??= clock.after(Math.max(0, statedAt + gatherMs - clock.now()), () => {
      timer = undefined
      statedAt = clock.now()
      state()
    })
  }

  /** States all workers there are; one pod is one worker, of the first role that selects it. */
  function state (): void {
    const readings = new Map<string, Reading>()
    const roles = new Map<string, Role>()
    const problems = new Map<string, string>()
    for (const { role, readings: all } of followed) {
      for (const reading of all()) {
        const first = roles.get(reading.key)
        if (first === undefined) {
          roles.set(reading.key, role)
          readings.set(reading.key, reading)
          if (reading.problems.length > 0) problems.set(reading.key, reading.problems.join('; '))
        } else problems.set(reading.key, `it matches the selectors of ${first} and ${role} workers and is taken as ${first}`)
      }
    }
    const specs = [...readings.values()].flatMap(({ spec }) => spec ?? [])
    for (const [key, problem] of problems) {
      if (told.get(key) !== problem) log.warn({ object: readings.get(key)?.name }, `kubernetes: ${readings.get(key)?.name ?? key}: ${problem}`)
    }
    told = problems
    found = readings.size
    workers = specs.filter(({ leaving }) => leaving !== true).length
    tell?.(specs)
  }

  function health (): SourceHealth {
    const troubles = [...new Set(followed.flatMap(({ reflector }) => reflector.trouble ?? []))]
    const listed = followed.every(({ reflector }) => reflector.listed)
    const staleSecs = Math.round(Math.max(...followed.map(({ reflector }) => reflector.staleMs))) / 1000
    if (troubles.length > 0) return { ok: false, detail: `${troubles.join('; ')}${listed ? '; the last known list stays in force' : ''}`, staleSecs }
    const objects = mode === 'pods' ? 'pods' : 'endpoints'
    return { ok: listed, detail: listed ? `${found} ${objects} found, ${workers} of them workers` : 'not listed yet', staleSecs }
  }

  function counts (): SourceCounts {
    const relists = new Map<string, number>()
    const watchRestarts = new Map<string, number>()
    for (const { reflector } of followed) {
      for (const [reason, count] of reflector.relists) relists.set(reason, (relists.get(reason) ?? 0) + count)
      for (const [reason, count] of reflector.watchRestarts) watchRestarts.set(reason, (watchRestarts.get(reason) ?? 0) + count)
    }
    return { relists, watchRestarts }
  }

  return {
    name: 'kubernetes',
    // no waiting: an API server that is away must not keep the router from starting
    async start (state) {
      tell = state
      for (const { reflector } of followed) reflector.start()
    },
    async stop () {
      tell = undefined
      timer?.cancel()
      for (const { reflector } of followed) reflector.stop()
    },
    health,
    counts
  }
}
