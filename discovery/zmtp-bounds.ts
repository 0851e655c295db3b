// Follows the bytes a peer sends over ZMTP 3 and says when a message grows too large. The library bounds a frame, but not how many frames
// make a message, and keeps all of one that never ends.

const greetingLength = 64
/** Bits of a frame's first byte. */
const more = 1
const long = 2
const command = 4

/** One peer's bytes; nothing is kept of them but where they stand. */
export class ZmtpBounds {
  private readonly mostBytes: number
  private at = 0
  /** What is left of the frame that is passing by. */
  private left = 0
  private readonly head = Buffer.alloc(9)
  private headLength = 0
  /** Bytes of the message under way, the heads of its frames included. */
  private message = 0

  /** `mostBytes` is for one message, all its frames together. */
  constructor (mostBytes: number) {
    this.mostBytes = mostBytes
  }

  /** True while all is within bounds; after false nothing more may be asked. */
  pass (chunk: Buffer): boolean {
    for (let at = 0; at < chunk.length;) {
      const byte = chunk[at] ?? 0
      if (this.at < greetingLength) {
        if (!isGreeting(this.at++, byte)) return false
        at++
      } else if (this.left > 0) {
        const passing = Math.min(this.left, chunk.length - at)
        this.left -= passing
        at += passing
      } else {
        this.head[this.headLength++] = byte
        at++
        if (this.headLength === this.headSize && !this.begin()) return false
      }
    }
    return true
  }

  private get headSize (): number {
    return ((this.head[0] ?? 0) & long) === 0 ? 2 : 9
  }

  private begin (): boolean {
    const [flags = 0, short = 0] = this.head
    const length = (flags & long) === 0 ? short : Number(this.head.readBigUInt64BE(1))
    // commands may stand between the frames of a message and are no part of it
    if ((flags & command) === 0) this.message += this.headLength + length
    if (length > this.mostBytes || this.message > this.mostBytes) return false
    if ((flags & (command | more)) === 0) this.message = 0
    this.headLength = 0
    this.left = length
    return true
  }
}

/** Version 3 at least: the framing of older ones is another. */
function isGreeting (at: number, byte: number): boolean {
  if (at === 0) return byte === 0xff
  if (at === 9) return byte === 0x7f
  return at !== 10 || byte >= 3
}
