// Takes the worker with the least work: requests in flight, and the prompts among them that are still to be computed.
import type { Worker } from '../core/worker.ts'
import { LeastBy } from './least-by.ts'
import type { Policy, PolicyContext, Routing } from './policy.ts'

/**
 * What a prompt of average length weighs until the answer begins, beside the request itself, which weighs 1 to its end. vLLM weighs
 * waiting requests as 4 and running ones as 1 where it balances its own data-parallel ranks.
 */
const promptWeight = 3
/** Prompts that the average length reaches back to, about. */
const reach = 256
/** The average may differ so many times from the one that numbers are made with. */
const tolerance = 1.25
/** Least average, in bytes. */
const shortest = 64

/** Work on one worker that its count of requests does not tell. */
interface Work {
  /** Bytes of prompts that were sent and whose answers have not begun. */
  waiting: number
}

/**
 * Work is counted in requests: `worker.load` (this router's in flight there, and others' as far as the worker told), and three more
 * for each average prompt's length that waits there for the first byte of its answer. Between equals chance decides. In bytes: the
 * router knows no tokens, and only proportions matter.
 */
export function leastLoad (context: PolicyContext): Policy {
  const known = new WeakMap<Worker, Work>()
  let prompts = 0
  let mean = shortest
  /** The average that numbers are made with: a whole one, so that equals are equal, and the same for all workers. */
  let unit = shortest
  const least = new LeastBy(context, worker => worker.load * unit + promptWeight * (known.get(worker)?.waiting ?? 0))

  const done = (worker: Worker, bytes: number): void => {
    const work = known.get(worker)
    // whatever went unseen, a worker without requests has no prompts
    if (work !== undefined) work.waiting = worker.inFlight === 0 ? 0 : Math.max(0, work.waiting - bytes)
    least.changed(worker)
  }

  return {
    name: 'least_load',
    wantsForeignLoad: true,
    pick: candidates => least.choose(candidates),
    dispatched (worker, routing) {
      const bytes = lengthOf(routing)
      prompts++
      mean += (bytes - mean) / Math.min(prompts, reach)
      const usual = Math.max(shortest, mean)
      if (usual > unit * tolerance || usual < unit / tolerance) {
        unit = Math.round(usual)
        least.allChanged()
      }
      const work = known.get(worker)
      if (work === undefined) known.set(worker, { waiting: bytes })
      else work.waiting += bytes
      least.changed(worker)
    },
    firstByte: (worker, routing) => { done(worker, lengthOf(routing)) },
    finished: (worker, routing, { firstByteMs }) => { done(worker, firstByteMs === undefined ? lengthOf(routing) : 0) },
    loadChanged: worker => { least.changed(worker) },
    workerRemoved: worker => { least.forget(worker) }
  }
}

function lengthOf (routing: Routing): number {
  return routing.promptBytes ?? routing.prefix.length
}
