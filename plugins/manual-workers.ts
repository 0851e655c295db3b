// Lets people add and remove workers while the router runs: a source of its own beside the others.
import fp from 'fastify-plugin'
import type { FastifyPluginAsync } from 'fastify'
import { DuplicateWorkerError, ForeignWorkerError, InvalidRequestError, UnknownWorkerError } from '../core/errors.ts'
import { parseWorkerUrl } from '../core/worker-url.ts'
import type { Role, Worker, WorkerSpec } from '../core/worker.ts'

/** Options of the manual workers plugin. */
export interface ManualWorkersOptions {
  /** Data-parallel ranks behind a URL that names none. Default 1. */
  intraNodeDataParallelSize?: number
  /** The same for prefill and for decode workers. Default `intraNodeDataParallelSize`. */
  prefillDataParallelSize?: number | undefined
  decodeDataParallelSize?: number | undefined
  /** What workers may be added as; with a single role it need not be said. Default `regular` only. */
  roles?: readonly Role[]
}

/** Adds, finds and removes workers by URL; a URL without `@rank` means all ranks behind it. */
export interface ManualWorkers {
  /** @throws InvalidRequestError for a bad URL or role, DuplicateWorkerError for a known one */
  add (url: string, details?: Omit<WorkerSpec, 'url' | 'rank' | 'ranks'>): Worker[]
  /** @throws UnknownWorkerError */
  find (url: string): Worker[]
  /** Sets the workers leaving. @throws UnknownWorkerError, ForeignWorkerError when another source would bring them back */
  remove (url: string): Worker[]
  /** Changes options while the router runs, for workers added from now on. */
  configure (options: ManualWorkersOptions): void
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly manualWorkers: ManualWorkers
  }
}

/** Sources whose lists stay as they were stated, so that taking an entry off them lasts. */
const editable = ['static', 'manual']

const plugin: FastifyPluginAsync<ManualWorkersOptions> = async (fastify, given) => {
  let options = given
  const registry = fastify.workers

  function parse (text: string): { url: string, rank: number | undefined } {
    try {
      return parseWorkerUrl(text)
    } catch (error) {
      throw new InvalidRequestError(`The worker's URL is not usable: ${error instanceof Error ? error.message : 'bad URL'}`)
    }
  }

  function find (text: string): Worker[] {
    const { url, rank } = parse(text)
    const found = registry.at(url).filter(worker => rank === undefined || worker.rank === rank)
    if (found.length === 0) throw new UnknownWorkerError(text)
    return found
  }

  /** What a worker is added as. */
  function roleOf (given: Role | undefined): Role {
    const { roles = ['regular'] } = options
    const role = given ?? (roles.length === 1 ? roles[0] : undefined)
    if (role === undefined || !roles.includes(role)) throw new InvalidRequestError(`The worker's type must be ${roles.join(' or ')} here`)
    return role
  }

  function ranksOf (role: Role): number {
    const own = role === 'prefill' ? options.prefillDataParallelSize : role === 'decode' ? options.decodeDataParallelSize : undefined
    return own ?? options.intraNodeDataParallelSize ?? 1
  }

  fastify.decorate('manualWorkers', {
    find,
    configure (changed) { options = { ...options, ...changed } },
    add (text, details = {}) {
      const { url, rank } = parse(text)
      const role = roleOf(details.role)
      const known = registry.at(url).filter(worker => worker.state !== 'draining')
      if (known.some(worker => rank === undefined || worker.rank === rank || worker.rank === undefined)) throw new DuplicateWorkerError(text)
      const spec: WorkerSpec = { ...details, role, url, ...(rank === undefined ? { ranks: ranksOf(role) } : { rank }) }
      registry.apply('manual', [...registry.specs('manual'), spec])
      return find(text)
    },
    remove (text) {
      const { url, rank } = parse(text)
      const found = find(text)
      const foreign = found.flatMap(worker => worker.sources).find(source => !editable.includes(source))
      if (foreign !== undefined) throw new ForeignWorkerError(text, foreign)
      for (const source of editable) {
        const specs = registry.specs(source)
        const kept = specs.flatMap(spec => spec.url === url ? withoutRank(spec, rank) : [spec])
        if (kept.length !== specs.length || kept.some((spec, i) => spec !== specs[i])) registry.apply(source, kept)
      }
      return found
    }
  })
}

/** What is left of a spec when one rank of it, or all, is taken away. */
function withoutRank (spec: WorkerSpec, rank: number | undefined): WorkerSpec[] {
  if (rank === undefined || spec.rank === rank) return []
  if (spec.rank !== undefined || (spec.ranks ?? 1) <= 1) return [spec]
  const { ranks = 1, ...rest } = spec
  return Array.from({ length: ranks }, (_, other) => other).filter(other => other !== rank).map(other => ({ ...rest, rank: other }))
}

/** Fastify plugin: workers added and removed by hand, `fastify.manualWorkers`. */
export const manualWorkers: FastifyPluginAsync<ManualWorkersOptions> = fp(plugin, {
  fastify: '5.x', name: 'vllm-router-manual-workers', decorators: { fastify: ['workers'] }
})
export default manualWorkers
