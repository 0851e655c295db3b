// The source for workers that somebody wrote down: `--worker-urls`, or a list in an embedder's code.
import type { WorkerSpec } from '../core/worker.ts'
import { parseWorkerUrl } from '../core/worker-url.ts'
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
