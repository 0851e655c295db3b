// Sends the requests of an open loop at their moments.
import type { VirtualClock } from '../../simulator/virtual-clock.ts'
import type { Arrival } from './trace.ts'

/** Plays arrivals to the end of everything that follows from them, their time passing `load` times as fast. */
export function playArrivals (clock: VirtualClock, arrivals: readonly Arrival[], load: number, send: (arrival: Arrival) => void): void {
  let next = 0
  // one timer at a time: a heap of all arrivals would slow every step of every engine
  const sendNext = (): void => {
    const arrival = arrivals[next++]
    if (arrival === undefined) return
    send(arrival)
    const following = arrivals[next]
    if (following !== undefined) clock.after(following.at / load - clock.now(), sendNext)
  }
  const [first] = arrivals
  if (first !== undefined) clock.after(first.at / load, sendNext)
  clock.run()
}
