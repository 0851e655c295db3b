// Waits for a condition by asking again every few milliseconds, and fails when it does not come true in time.

/** Resolves with the first value of `condition` that is neither false nor undefined; rejects after `limit` milliseconds, naming `what`. */
export async function until<T> (what: string, condition: () => T | false | undefined | Promise<T | false | undefined>, limit = 5000): Promise<T> {
  const end = performance.now() + limit
  while (true) {
    const value = await condition()
    if (value !== false && value !== undefined) return value
    if (performance.now() >= end) throw new Error(`${what}: not within ${limit} ms`)
    await new Promise(resolve => setTimeout(resolve, 2))
  }
}
