// Waiting with a limit.
import { setTimeout as after } from 'node:timers/promises'

/** Resolves after so many milliseconds. */
export async function pause (milliseconds: number): Promise<void> {
  await after(Math.max(0, milliseconds))
}

/** Asks every few milliseconds until the answer is neither false nor undefined; rejects, naming `what`, when the time is over. */
export async function until<T> (what: string, condition: () => T | false | undefined | Promise<T | false | undefined>, limit = 15_000, every = 10): Promise<T> {
  const end = performance.now() + limit
  while (true) {
    const value = await condition()
    if (value !== false && value !== undefined) return value
    if (performance.now() >= end) throw new Error(`${what}: not within ${limit} ms`)
    await pause(every)
  }
}
