// Asks many things at once, but not too many.

/** Results of `run` for every item, in order, with at most `width` runs under way. Rejects with the first that rejects. */
export async function inBatches<Item, Result> (items: readonly Item[], width: number, run: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = []
  let next = 0
  async function lane (): Promise<void> {
    while (next < items.length) {
      const at = next++
      results[at] = await run(items[at] as Item)
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane))
  return results
}
