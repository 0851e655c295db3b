// The source for workers that somebody wrote down: `--worker-urls`, or a list in an embedder's code.
import type { WorkerSpec } from '../core/worker.ts'
import { parsePrefillUrl, parseWorkerUrl } from '../core/worker-url.ts'
import type { DiscoverySource } from './discovery.ts'

/**
 * Workers by URL (`http://host:port[/path][@rank]`), each with `ranks` data-parallel ranks unless it names one.
 * @throws Error when a URL is not usable.
 */
export function staticSpecs (urls: readonly string[], ranks: number): WorkerSpec[] {
  return urls.map(text => {
    const { url, rank } = parseWorkerUrl(text)
    return rank === undefined ? { url, ranks } : { url, rank }
  })
}

/** Workers of the two pools of a disaggregated fleet, as somebody wrote them down. */
export interface PoolOptions {
  /** `URL[@rank]`, and behind a space the port of its bootstrap server if it has one. */
  readonly prefill: readonly string[]
  /** `URL[@rank]`. */
  readonly decode: readonly string[]
  /** Data-parallel ranks behind each URL of a pool; undefined where the workers are to tell. */
  readonly prefillDataParallelSize: number | undefined
  readonly decodeDataParallelSize: number | undefined
}

/**
 * Specs of both pools; those without `ranks` and `rank` are for `learnedRanks` to complete.
 * @throws Error when a URL is not usable.
 */
export function poolSpecs ({ prefill, decode, prefillDataParallelSize, decodeDataParallelSize }: PoolOptions): WorkerSpec[] {
  const ranksOf = (rank: number | undefined, ranks: number | undefined): Pick<WorkerSpec, 'rank' | 'ranks'> =>
    rank !== undefined ? { rank } : ranks !== undefined ? { ranks } : {}
  return [
    ...prefill.map((text): WorkerSpec => {
      const { url, rank, bootstrapPort } = parsePrefillUrl(text)
      return { url, role: 'prefill', ...ranksOf(rank, prefillDataParallelSize), ...(bootstrapPort === undefined ? {} : { bootstrapPort }) }
    }),
    ...decode.map((text): WorkerSpec => {
      const { url, rank } = parseWorkerUrl(text)
      return { url, role: 'decode', ...ranksOf(rank, decodeDataParallelSize) }
    })
  ]
}

/** A source whose list is changed by whoever wrote it down. */
export interface StaticSource extends DiscoverySource {
  /** States another list in place of the one before. */
  restate (specs: readonly WorkerSpec[]): void
}

/** States one list, once; and another when it is told to. */
export function staticSource (given: readonly WorkerSpec[]): StaticSource {
  let specs = given
  let tell: ((specs: readonly WorkerSpec[]) => void) | undefined
  return {
    name: 'static',
    async start (state) {
      tell = state
      state(specs)
    },
    async stop () { tell = undefined },
    restate (changed) {
      specs = changed
      tell?.(specs)
    },
    health: () => ({ ok: true, detail: `${specs.length} listed` })
  }
}
