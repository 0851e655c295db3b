// Keeps a session on the worker that it began on; new sessions begin where the fewest are.
import { hashBytes } from '../openai/prefix-chain.ts'
import { LeastBy } from './least-by.ts'
import type { Policy, PolicyContext, Routing } from './policy.ts'
import { headersOf, keysOfSession, routingKey } from './routing-key.ts'
import type { KeyOptions, RoutingKey } from './routing-key.ts'
import { SessionHomes } from './session-homes.ts'

/** Options of `stickyLeastLoaded`. */
export interface StickyLeastLoadedOptions extends KeyOptions {
  /** Seconds after which a session that is not used is over. Default 7200, as in the Rust router. */
  readonly sessionTtlSecs?: number
  /** Most sessions remembered. Default 100,000. */
  readonly maxSessions?: number
}

/** A session whose worker could not take its requests for longer belongs to another, in milliseconds: the cache it had there is probably gone. */
const patience = 60_000
/** Requests in flight decide between workers with as many sessions: no worker has so many. */
const oneSession = 2 ** 24

/** Proxies give every request one of its own: no session would ever come again. */
const requestIds: ReadonlySet<string> = new Set(['x-request-id'])

/** A session as the table knows it: keys are as long as clients make them, and nobody has to read them. */
interface Found {
  readonly key: number
  readonly reason: RoutingKey['reason']
}

/**
 * A session's requests go to its worker. While that cannot be picked (it failed this request, its breaker is open, it is full) another
 * one stands in, the same one each time; the session comes back, unless its worker is unhealthy, leaving, gone, or was away for a
 * minute. A request that no session can be told of goes to the worker with the fewest sessions, too, and is not remembered.
 */
export function stickyLeastLoaded (context: PolicyContext, options: StickyLeastLoadedOptions = {}): Policy {
  const { sessionTtlSecs = 7200, maxSessions = 100_000 } = options
  const headers = headersOf(options, requestIds)
  const sessions = new SessionHomes({
    capacity: maxSessions, ttlMs: sessionTtlSecs * 1000, patienceMs: patience, counted: worker => least.changed(worker)
  })
  const least = new LeastBy(context, worker => sessions.count(worker) * oneSession + worker.inFlight)
  /** The request picked for last: it is dispatched next, and its key may have taken a hash over a long text. */
  let asked: { routing: Routing, found: Found | undefined } | undefined
  // the same in all processes of a router
  const hashOf = (key: string): number => hashBytes(Buffer.from(key), 0)

  const find = (routing: Routing): Found | undefined => {
    if (asked?.routing === routing) return asked.found
    const found = routingKey(routing, headers)
    return found && { key: hashOf(found.key), reason: found.reason }
  }

  return {
    name: 'sticky_least_loaded',
    pick (candidates, routing) {
      const found = find(routing)
      asked = { routing, found }
      if (found === undefined) return { ...least.choose(candidates), reason: 'no_key' }
      const { key, reason } = found
      for (const worker of sessions.find(key, routing.model, context.now())) {
        if (worker !== undefined && candidates.has(worker)) return { worker, reason, session: reason }
      }
      return { ...least.choose(candidates), session: reason }
    },
    dispatched (worker, routing) {
      const found = find(routing)
      // it holds the whole request
      asked = undefined
      if (found !== undefined) sessions.use(found.key, routing.model, worker, context.now())
      least.changed(worker)
    },
    finished: worker => { least.changed(worker) },
    loadChanged: worker => { least.changed(worker) },
    takeSessions: () => sessions.takeNews(),
    sessionHeard: session => { sessions.hear(session, context.now()) },
    finishSession (id) {
      // evaluated for every key: a session may have been named in several ways
      return keysOfSession(id, headers).map(key => sessions.delete(hashOf(key))).includes(true)
    },
    workerAdded: worker => { sessions.add(worker) },
    workerRemoved (worker) {
      sessions.remove(worker)
      least.forget(worker)
    },
    flush () {
      sessions.clear()
      least.allChanged()
    },
    size: worker => sessions.count(worker)
  }
}
