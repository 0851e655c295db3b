// Finds a pattern in a stream of chunks, wherever they were cut, keeping one number between them.

/** Searches for one pattern; `find` may be called again and again on a chunk, and goes on with the next chunk. */
export class ByteSearch {
  private readonly pattern: Buffer
  /** How many bytes of the pattern the last chunk ended with. */
  private matched = 0

  /** `pattern` must not be empty. */
  constructor (pattern: string) {
    this.pattern = Buffer.from(pattern)
  }

  /** The position in `chunk`, from `from` on, after the first end of the pattern; -1 when it does not end there. */
  find (chunk: Buffer, from: number): number {
    const { pattern } = this
    let pos = from
    while (this.matched > 0) {
      if (pos >= chunk.length) return -1
      if (chunk[pos] === pattern[this.matched]) {
        pos++
        if (++this.matched === pattern.length) {
          this.matched = 0
          return pos
        }
      } else {
        // What was matched may end with a shorter beginning of the pattern.
        this.matched = beginningAtEnd(pattern, pattern, 1, this.matched)
      }
    }
    const at = chunk.indexOf(pattern, pos)
    if (at !== -1) return at + pattern.length
    this.matched = beginningAtEnd(pattern, chunk, Math.max(pos, chunk.length - pattern.length + 1), chunk.length)
    return -1
  }
}

/** Length of the longest beginning of `pattern` that is an end of `bytes` in [from, to). */
function beginningAtEnd (pattern: Buffer, bytes: Buffer, from: number, to: number): number {
  for (let start = from; start < to; start++) {
    let i = 0
    while (start + i < to && bytes[start + i] === pattern[i]) i++
    if (start + i === to) return i
  }
  return 0
}
