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

/** States one list, once. */
export function staticSource (specs: readonly WorkerSpec[]): DiscoverySource {
  return {
    name: 'static',
    async start (state) { state(specs) },
    async stop () {},
    health: () => ({ ok: true, detail: `${specs.length} listed` })
  }
}
