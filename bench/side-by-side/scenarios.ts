// What is measured, as plain data.
import type { Corpus } from './corpus.ts'
import type { FigureName } from './figures.ts'

/** The load on a target. */
export interface Load {
  /** Connections; each has one request under way at a time. */
  readonly connections: number
  readonly corpus: Corpus
  readonly stream?: boolean
  /** Sends so many requests instead of for so many seconds. */
  readonly requests?: number
  /** Sends at half of the rate that this router was found to be capable of, the same to every target, instead of as fast as answers come. */
  readonly halfCapacity?: boolean
}

/** One scenario; with each target it is run once a round. */
export interface Scenario {
  readonly name: string
  /** For people, in a few words. */
  readonly title: string
  /** Workers the target has. */
  readonly workers: number
  /** So many of them compute prompts for the others; then only targets that can split requests make sense. Default 0: none does. */
  readonly prefills?: number
  /**
   * `usual`: the peers as their rows in the bars ask for, with `round_robin`; this router as a user runs it, with
   * `cache_aware`. `cache_aware`: every target that can.
   */
  readonly policy: 'usual' | 'cache_aware'
  /** Undefined: nothing is sent but the first request, and the target is watched while it has nothing to do. */
  readonly load?: Load
  /** What workers send to those who ask for a stream. */
  readonly events?: { readonly count: number, readonly paceMs?: number }
  /** Seconds between the first answer and the load, in which a target finds its workers. Default 0.3. */
  readonly settleSeconds?: number
  /** Seconds between the load and the last look at the memory. Default 0. */
  readonly restSeconds?: number
  /** Rounds it is run at most, because it takes long or says all in one. */
  readonly rounds?: number
  /** Only targets that hold workers make sense: not `direct`, not the plain proxy. */
  readonly routersOnly?: boolean
  /** Columns of its table, in order. */
  readonly columns: readonly FigureName[]
}

const small: Corpus = { kind: 'distinct', bytes: 300 }
const perRequest: readonly FigureName[] = ['requestsPerSecond', 'cpuPerRequest', 'p50', 'p99', 'addedP50', 'addedP99', 'rssPeak', 'workerCores', 'loadCores']
const perChunk: readonly FigureName[] = ['eventsPerSecond', 'cpuPerChunk', 'ttftP50', 'ttftP99', 'addedTtftP50', 'addedTtftP99', 'gapP99', 'addedDelayP50', 'addedDelayP99', 'workerCores', 'loadCores']
const routed: readonly FigureName[] = ['requestsPerSecond', 'cpuPerRequest', 'p50', 'p99', 'callsPerRequest', 'rssPeak', 'workerCores', 'loadCores']

/** A scenario with four workers and small requests, as most are. */
function scenario (given: Pick<Scenario, 'name' | 'title'> & Partial<Scenario>): Scenario {
  return { workers: 4, policy: 'usual', columns: perRequest, ...given }
}

/** All of them, in the order they are run. */
export const scenarios: readonly Scenario[] = [
  ...[1, 16, 64, 256].map(connections => scenario({
    name: `json-c${connections}`,
    title: `300 B in, 300 B out, concurrency ${connections}`,
    load: { connections, corpus: small }
  })),
  scenario({
    name: 'half-capacity',
    title: '300 B in, 300 B out, at half of the rate this router is capable of, at random moments',
    load: { connections: 64, corpus: small, halfCapacity: true }
  }),
  scenario({ name: 'prompt-64k', title: '64 KiB prompt, concurrency 16', load: { connections: 16, corpus: { kind: 'distinct', bytes: 65_536 } } }),
  scenario({ name: 'prompt-1m', title: '1 MiB prompt, concurrency 4', load: { connections: 4, corpus: { kind: 'distinct', bytes: 1_048_576 } } }),
  scenario({
    name: 'sse-unpaced',
    title: '200 chunks as fast as they come, 32 streams',
    load: { connections: 32, corpus: small, stream: true },
    events: { count: 200 },
    columns: perChunk
  }),
  ...[50, 200].map(connections => scenario({
    name: `sse-paced-${connections}`,
    title: `100 chunks, one every 10 ms, ${connections} streams`,
    load: { connections, corpus: small, stream: true },
    events: { count: 100, paceMs: 10 },
    columns: perChunk
  })),
  scenario({
    name: 'turns',
    title: 'conversations of 8 turns from 2 to 10 KiB, system prompts shared, cache_aware, concurrency 16',
    policy: 'cache_aware',
    load: { connections: 16, corpus: { kind: 'turns', conversations: 32, turns: 8, systemBytes: 2048, turnBytes: 1024 } },
    columns: routed
  }),
  ...[4, 64].map(kilobytes => scenario({
    name: `distinct-${kilobytes}k`,
    title: `distinct ${kilobytes} KiB prompts, cache_aware, concurrency 16`,
    policy: 'cache_aware',
    load: { connections: 16, corpus: { kind: 'distinct', bytes: kilobytes * 1024 } },
    columns: routed
  })),
  ...([['300 B', 16, small], ['300 B', 64, small], ['64 KiB', 16, { kind: 'distinct', bytes: 65_536 }]] as const).map(([size, connections, corpus]) => scenario({
    name: `pd-${size === '300 B' ? 'json' : 'prompt-64k'}-c${connections}`,
    title: `2 prefill and 2 decode workers, ${size} in, 300 B out, concurrency ${connections}`,
    prefills: 2,
    load: { connections, corpus },
    routersOnly: true,
    columns: routed
  })),
  ...[2, 1000].map(workers => scenario({
    name: `workers-${workers}`,
    title: `${workers} workers, 300 B, concurrency 16`,
    workers,
    settleSeconds: workers > 100 ? 5 : 0.3,
    load: { connections: 16, corpus: small },
    routersOnly: true
  })),
  scenario({
    name: 'idle-1000',
    title: 'nothing to do, 1,000 workers',
    workers: 1000,
    settleSeconds: 5,
    routersOnly: true,
    columns: ['cores', 'rssIdle', 'startMs']
  }),
  scenario({
    name: 'memory',
    title: '100,000 distinct 4 KiB prompts, cache_aware',
    policy: 'cache_aware',
    load: { connections: 16, corpus: { kind: 'distinct', bytes: 4096 }, requests: 100_000 },
    restSeconds: 5,
    rounds: 1,
    routersOnly: true,
    columns: ['rssIdle', 'rssPeak', 'rssAfter', 'growthPerPrompt', 'requestsPerSecond', 'cpuPerRequest', 'callsPerRequest']
  }),
  scenario({ name: 'start', title: 'from the start of the process to the first answer', columns: ['startMs', 'startCpu', 'rssIdle'] })
]
