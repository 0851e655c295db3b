// The source for clusters that give no rights at the API server: the DNS records of headless Services, looked up again and again.
import { readFileSync } from 'node:fs'
import { Resolver } from 'node:dns/promises'
import { inBatches } from '../../core/batches.ts'
import { systemClock } from '../../core/clock.ts'
import type { Clock, Timer } from '../../core/clock.ts'
import type { WorkerSpec } from '../../core/worker.ts'
import type { DiscoverySource, SourceLog } from '../discovery.ts'
import { portNumber, specOf } from './reading.ts'

/** Between two looks: cluster DNS keeps its own answers for 5 to 30 s. */
const lookMs = 5000
/** A name that is not there counts as a Service without workers when it was not there so many times in a row. */
const missesThatCount = 2
/** A named port is one look-up a pod; so many go at the same time. */
const lookupWidth = 16
/** What an answer may take, and how often it is asked for. */
const patience = { timeout: 2000, tries: 2 }

/** What to look up. */
export interface ServiceDnsOptions {
  /** Names of Services, or whole DNS names. */
  readonly services: readonly string[]
  /** Namespaces of Services that are given without a dot; none is the one the router runs in. */
  readonly namespaces: readonly string[]
  /** A number, or the name of the Service's port, which SRV records have. */
  readonly port: string
  readonly ranks: number
  readonly log: SourceLog
  readonly clock?: Clock | undefined
  readonly random?: (() => number) | undefined
  /** `address:port` of DNS servers; default those of the system. */
  readonly dnsServers?: readonly string[] | undefined
  /** Text of a resolv.conf, for its search list; default the system's. */
  readonly resolvConf?: string | undefined
}

/** One name as asked for, and what is known of it. */
interface Service {
  readonly name: string
  specs: readonly WorkerSpec[]
  misses: number
  trouble: string | undefined
  seenAt: number
}

/** A source named `kubernetes`. */
export function serviceDnsSource (options: ServiceDnsOptions): DiscoverySource {
  const { port, ranks, log, clock = systemClock, random = Math.random } = options
  const resolver = new Resolver(patience)
  if (options.dnsServers !== undefined) resolver.setServers([...options.dnsServers])
  const search = searchList(options.resolvConf ?? systemResolvConf())
  const names = options.services.flatMap(service =>
    service.includes('.') || options.namespaces.length === 0 ? [service] : options.namespaces.map(namespace => `${service}.${namespace}.svc`))
  const services = names.map((name): Service => ({ name, specs: [], misses: 0, trouble: undefined, seenAt: clock.now() }))
  let tell: ((specs: readonly WorkerSpec[]) => void) | undefined
  let timer: Timer | undefined

  /** Addresses and ports of one name; undefined when there is no such name. Rejects when nobody can say. */
  async function workersAt (name: string): Promise<Array<[address: string, port: number]> | undefined> {
    const number = portNumber(port)
    if (number !== undefined) return (await addresses(name))?.map(address => [address, number])
    const targets = await known(() => resolver.resolveSrv(`_${port}._tcp.${name}`))
    const found = await inBatches(targets ?? [], lookupWidth, async ({ name, port }) =>
      (await addresses(name) ?? []).map((address): [string, number] => [address, port]))
    return targets === undefined ? undefined : found.flat()
  }

  /** IPv4 addresses; IPv6 ones only where there are none, or a pod with both families would be two workers. */
  async function addresses (name: string): Promise<string[] | undefined> {
    return await known(() => resolver.resolve4(name)) ?? await known(() => resolver.resolve6(name))
  }

  async function look (service: Service): Promise<void> {
    try {
      let found: Array<[address: string, port: number]> | undefined
      for (const name of candidates(service.name, search)) {
        found = await workersAt(name)
        if (found !== undefined) break
      }
      service.seenAt = clock.now()
      service.misses = found === undefined ? service.misses + 1 : 0
      if (service.trouble !== undefined) log.info({}, `kubernetes: ${service.name} can be looked up again`)
      service.trouble = undefined
      if (found === undefined && service.misses < missesThatCount) return
      const labels = { service: service.name }
      service.specs = (found ?? []).map(([address, port]) => specOf({ address, port, leaving: false, labels }, nothing, { role: 'regular', ranks }))
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
      const trouble = `cannot look up ${service.name}: ${code}`
      if (service.trouble !== trouble) log.warn({}, `kubernetes: ${trouble}; the last known list stays in force`)
      service.trouble = trouble
    }
  }

  async function round (): Promise<void> {
    await Promise.all(services.map(look))
    if (tell === undefined) return
    tell(services.flatMap(({ specs }) => specs))
    timer = clock.after(lookMs * (0.9 + 0.2 * random()), () => { void round() })
  }

  return {
    name: 'kubernetes',
    async start (state) {
      tell = state
      void round()
    },
    async stop () {
      tell = undefined
      timer?.cancel()
      resolver.cancel()
    },
    health () {
      const troubles = services.flatMap(({ trouble }) => trouble ?? [])
      const found = services.reduce((sum, { specs }) => sum + specs.length, 0)
      const staleSecs = Math.round(Math.max(...services.map(({ seenAt }) => clock.now() - seenAt))) / 1000
      return { ok: troubles.length === 0, detail: troubles.length === 0 ? `${found} addresses found` : `${troubles.join('; ')}; the last known list stays in force`, staleSecs }
    }
  }
}

const nothing = { bootstrapPort: undefined, model: undefined, ranks: undefined }

/** The answer to a look-up; undefined when there is no such name or record. */
async function known<Answer> (lookUp: () => Promise<Answer[]>): Promise<Answer[] | undefined> {
  try {
    const answer = await lookUp()
    return answer.length === 0 ? undefined : answer
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOTFOUND' || error.code === 'ENODATA')) return undefined
    throw error
  }
}

function systemResolvConf (): string {
  try {
    return readFileSync('/etc/resolv.conf', 'utf8')
  } catch {
    return ''
  }
}

/** Domains that are put behind short names, and the number of dots from which a name is tried as it is first. */
export interface SearchList {
  readonly domains: readonly string[]
  readonly dots: number
}

/** Reads the search list of a resolv.conf; the last line of a kind counts. */
export function searchList (text: string): SearchList {
  const last = (pattern: RegExp): string | undefined => [...text.matchAll(pattern)].at(-1)?.[1]
  const dots = Number(last(/^options\b.*\bndots:(\d+)/gm) ?? 1)
  return { domains: (last(/^search[ \t]+(.*)$/gm) ?? '').split(/\s+/).filter(domain => domain !== ''), dots }
}

/** Names to try in turn for a name as somebody wrote it, as the system's own look-ups do. */
export function candidates (name: string, { domains, dots }: SearchList): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)]
  const searched = domains.map(domain => `${name}.${domain.replace(/\.$/, '')}`)
  return name.split('.').length - 1 >= dots ? [name, ...searched] : [...searched, name]
}
