// Server-sent events as far as a relay must know them: whether a stream stands between two events, and how to end a broken one.

/** Follows a stream in passing and knows whether it may be added to: looks at no more than the last four bytes of a chunk. */
export class SseBoundary {
  private tail = 0
  private begun = false

  /** Takes note of the next bytes of the stream, wherever they were cut. */
  push (chunk: Uint8Array): void {
    const length = chunk.length
    if (length === 0) return
    this.begun = true
    for (let i = Math.max(0, length - 4); i < length; i++) this.tail = this.tail << 8 | (chunk[i] ?? 0)
  }

  /** Whether what came so far is nothing, or ends in an empty line (LF LF, CR LF CR LF or CR CR). */
  get atBoundary (): boolean {
    const last = this.tail & 0xffff
    return !this.begun || last === 0x0a0a || last === 0x0d0d || this.tail === 0x0d0a0d0a
  }
}

/** The bytes that end a broken stream: `body` (see `openAiError`) as an event, after the end of one that was cut short. */
export function errorEvent (body: object, atBoundary: boolean): Buffer {
  return Buffer.from(`${atBoundary ? '' : '\n\n'}data: ${JSON.stringify(body)}\n\n`)
}
