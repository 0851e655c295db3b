// "Did you mean": the known name nearest to an unknown one.

/**
 * ` (did you mean X?)` for the candidate that a few slips of the finger lead to, or nothing.
 *
 * @param prefix put before the candidate; the word comes without it
 */
export function suggest (word: string, candidates: readonly string[], prefix = ''): string {
  let best: string | undefined
  let least = Math.floor(word.length / 3) + 1
  for (const candidate of candidates) {
    const distance = slips(word.toLowerCase(), candidate.toLowerCase())
    if (distance < least) {
      least = distance
      best = candidate
    }
  }
  return best === undefined ? '' : ` (did you mean ${prefix}${best}?)`
}

/** Letters to insert, delete, replace or swap with their neighbour to turn one word into the other. */
function slips (from: string, to: string): number {
  let before: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i++) {
    const row = [i]
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1] ? 0 : 1
      let cost = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + same)
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) cost = Math.min(cost, at(before, j - 2) + 1)
      row.push(cost)
    }
    before = last
    last = row
  }
  return at(last, to.length)
}

function at (row: readonly number[], index: number): number {
  return row[index] ?? Infinity
}
