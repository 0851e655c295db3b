// Which workers the EndpointSlices of Services name.
import type { EndpointSlice } from './objects.ts'
import { portNumber, readHints, specOf } from './reading.ts'
import type { Hints, Reading, Rules } from './reading.ts'

/** The label that says which Service a slice belongs to. */
export const serviceLabel = 'kubernetes.io/service-name'

/** Address families, preferred ones first: all workers of a Service are of the first that has any, or a pod with two would be two workers. */
const families = ['IPv4', 'IPv6', 'FQDN']

interface Endpoint {
  readonly address: string
  readonly uid: string | undefined
  readonly pod: string | undefined
  readonly node: string | undefined
  readonly terminating: boolean
}

/** One slice, reduced to what is needed of it. */
export interface Slice {
  readonly namespace: string
  readonly service: string
  readonly family: string
  readonly ports: ReadonlyArray<{ readonly name: string, readonly port: number }>
  /** Those that serve, and those that are about to go. */
  readonly endpoints: readonly Endpoint[]
  readonly hints: Hints
  readonly name: string
  readonly problems: readonly string[]
}

/** Reads a slice. What a condition does not say counts as Kubernetes wants it: ready, serving when ready, not terminating. */
export function readSlice (slice: EndpointSlice): Slice {
  const { metadata, addressType = '', endpoints, ports } = slice
  const problems: string[] = []
  const hints = readHints(metadata, problems)
  return {
    namespace: metadata?.namespace ?? '',
    service: metadata?.labels?.[serviceLabel] ?? '',
    family: addressType,
    ports: (ports ?? []).flatMap(({ name = '', port }) => port === undefined ? [] : [{ name, port }]),
    endpoints: (endpoints ?? []).flatMap(({ addresses, conditions, nodeName, targetRef }) => {
      const [address] = addresses ?? []
      const terminating = conditions?.terminating === true
      // a Service that publishes addresses that are not ready says so in `serving`
      const serving = conditions?.serving ?? conditions?.ready ?? true
      if (address === undefined || !(serving || terminating)) return []
      const pod = targetRef?.kind === 'Pod' ? targetRef : undefined
      return [{ address, uid: pod?.uid, pod: pod?.name, node: nodeName, terminating }]
    }),
    hints,
    name: `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`,
    problems
  }
}

/** The workers of all slices together: an endpoint that stands in several of them, as happens while slices are rearranged, is one worker. */
export function sliceReadings (slices: Iterable<Slice>, rules: Rules): Reading[] {
  const byService = new Map<string, Slice[]>()
  for (const slice of slices) {
    const service = `${slice.namespace}/${slice.service}`
    const known = byService.get(service)
    if (known === undefined) byService.set(service, [slice])
    else known.push(slice)
  }
  const readings = new Map<string, Reading>()
  for (const [service, all] of byService) {
    const family = families.find(one => all.some(slice => slice.family === one && slice.endpoints.length > 0))
    for (const slice of all) {
      const problems = [...slice.problems]
      const port = slice.family === family ? portOf(slice, rules.port, problems) : undefined
      if (problems.length > 0) readings.set(slice.name, { key: slice.name, name: slice.name, spec: undefined, problems })
      if (port === undefined) continue
      for (const { address, uid, pod, node, terminating } of slice.endpoints) {
        const key = uid ?? `${service} ${address}`
        // where slices disagree while they are rearranged, one that says it lives is right
        if (terminating && readings.has(key)) continue
        const labels = { namespace: slice.namespace, service: slice.service, pod, node }
        const spec = specOf({ address, port, leaving: terminating, labels }, slice.hints, rules)
        readings.set(key, { key, name: `${slice.namespace}/${pod ?? address}`, spec, problems: [] })
      }
    }
  }
  return [...readings.values()]
}

/**
 * A port by its name or number in the slice. A number that is not there gives way to the slice's only port: it is the default, or that
 * of the Service, while slices list the ports of pods.
 */
function portOf (slice: Slice, fallback: string, problems: string[]): number | undefined {
  const wanted = slice.hints.port ?? fallback
  const number = portNumber(wanted)
  const [only, ...others] = slice.ports
  if (number === undefined) {
    const named = slice.ports.find(({ name }) => name === wanted)?.port
    if (named === undefined && slice.endpoints.length > 0) problems.push(`no port of the slice is named ${JSON.stringify(wanted.slice(0, 64))}, so it has no workers`)
    return named
  }
  return only === undefined || others.length > 0 || only.port === number ? number : only.port
}
