// Waits as the other tests do, but longer: an API server shares the machine.
import { until as soon } from '../helpers/until.ts'

/** Resolves with the first value of `condition` that is neither false nor undefined; rejects after half a minute. */
export function until<T> (what: string, condition: () => T | false | undefined | Promise<T | false | undefined>): Promise<T> {
  return soon(what, condition, 30_000)
}
