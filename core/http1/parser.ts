// Takes the answers on one connection apart, wherever their bytes were cut; all of a body that came in one read is one piece.
import { errors } from 'undici'
import { malformed, socketFault } from './faults.ts'
import { keep } from './pieces.ts'
import { checkPartial, longestHead, readHead, readTrailers } from './response-head.ts'
import type { ResponseHead } from './response-head.ts'

/** Who is told of an answer. Each tells whether the answer is still wanted; of one that is not, nothing more is told. */
export interface ResponseSink {
  /** The head of the answer; interim ones (1xx) are passed over. */
  head (head: ResponseHead): boolean
  /** One more piece of the body, never empty; it is the sink's to keep. `last`: the end came with it; without it, it may have come all the same. */
  body (piece: Buffer, last: boolean): boolean
  /** The answer is complete. `trailers` are flat; `alone`: nothing came behind it. */
  end (trailers: string[], alone: boolean): void
}

type State = 'none' | 'head' | 'length' | 'until-close' | 'size' | 'extension' | 'size-lf' | 'data' | 'data-cr' | 'data-lf' | 'trailers'

const headEnd = Buffer.from('\r\n\r\n')
const cr = 0x0d
const lf = 0x0a
const semicolon = 0x3b
const noTrailers: string[] = []
/** Longest extension of one chunk; nobody looks at what it says. */
const longestExtension = 4096
/** Values of hexadecimal digits by their byte, 255 for all else. */
const hex = new Uint8Array(256).fill(255)
for (let i = 0; i < 16; i++) {
  hex[i.toString(16).charCodeAt(0)] = i
  hex[i.toString(16).toUpperCase().charCodeAt(0)] = i
}

/** Reads the answers on one connection, one after the other; `expect` comes before each. */
export class ResponseParser {
  private readonly sink: ResponseSink
  private state: State = 'none'
  private bodiless = false
  /** Bytes that the body, or its chunk, still has. */
  private left = 0
  /** Digits of a chunk's size, or bytes of its extension, so far. */
  private count = 0
  /** What came of a head, or of trailers, that are not complete. */
  private partial = ''

  constructor (sink: ResponseSink) {
    this.sink = sink
  }

  /** An answer is to come. @param bodiless it has no body, whatever its head says (HEAD) */
  expect (bodiless: boolean): void {
    this.state = 'head'
    this.bodiless = bodiless
    this.partial = ''
  }

  /** True while an answer has begun or is to come. */
  get expecting (): boolean {
    return this.state !== 'none'
  }

  /**
   * Takes the next `size` bytes, which stand at the beginning of `bytes`; it changes them, and others may afterwards.
   * @throws HTTPParserError, HeadersOverflowError, SocketError, WorkerFramingError, ResponseContentLengthMismatchError
   */
  push (bytes: Buffer, size: number): void {
    let at = 0
    while (at < size) {
      switch (this.state) {
        case 'none': throw socketFault('bad response')
        case 'head': at = this.head(bytes, at, size); break
        case 'length': at = this.plain(bytes, at, Math.min(size, at + this.left), size); break
        case 'until-close': at = this.plain(bytes, at, size, size); break
        case 'trailers': at = this.trailers(bytes, at, size); break
        default: at = this.chunks(bytes, at, size)
      }
      // nobody wants the rest
      if (at === -1) return
    }
  }

  /** The other side ended the connection. True when that is the end of the answer. */
  close (): boolean {
    if (this.state !== 'until-close') return false
    this.finish(noTrailers, true)
    return true
  }

  /** The answer is not wanted any more. */
  stop (): number {
    this.state = 'none'
    this.partial = ''
    return -1
  }

  private finish (trailers: string[], alone: boolean): void {
    this.state = 'none'
    this.sink.end(trailers, alone)
  }

  private head (bytes: Buffer, at: number, size: number): number {
    const found = this.gather(bytes, at, size, false)
    if (found === -1) return size
    const text = this.partial
    this.partial = ''
    const head = readHead(text)
    if (head.status < 200) return found
    const { status, length } = head
    const empty = this.bodiless || status === 204 || status === 304 || length === 0
    if (empty) this.left = 0
    else if (head.chunked) this.startChunk()
    else if (length === -1) this.state = 'until-close'
    else {
      this.state = 'length'
      this.left = length
    }
    if (!this.sink.head(head)) return this.stop()
    if (empty) {
      this.finish(noTrailers, found === size)
      return -1
    }
    return found
  }

  /**
   * Adds bytes to `partial` up to the end of a head. Where that came, `partial` is the head's lines, without the empty one, and the
   * place behind it is returned; otherwise -1.
   */
  private gather (bytes: Buffer, at: number, size: number, trailers: boolean): number {
    const { partial } = this
    if (partial === '') {
      // nearly every head comes whole
      const end = bytes.indexOf(headEnd, at)
      if (end !== -1 && end + 4 <= size) {
        if (end - at > longestHead) throw new errors.HeadersOverflowError()
        this.partial = bytes.toString('latin1', at, end + 2)
        return end + 4
      }
    }
    const room = longestHead + 4 - partial.length
    const text = partial + bytes.toString('latin1', at, Math.min(size, at + room))
    const end = text.indexOf('\r\n\r\n', Math.max(0, partial.length - 3))
    if (end === -1) {
      checkPartial(text, partial.length, trailers)
      this.partial = text
      return -1
    }
    this.partial = text.slice(0, end + 2)
    return at + end + 4 - partial.length
  }

  /** A piece of a body whose bytes stand for themselves. */
  private plain (bytes: Buffer, at: number, end: number, size: number): number {
    if (this.state === 'length') this.left -= end - at
    if (!this.sink.body(keep(bytes, at, end), this.state === 'length' && this.left === 0)) return this.stop()
    if (this.state === 'length' && this.left === 0) {
      this.finish(noTrailers, end === size)
      return -1
    }
    return end
  }

  private startChunk (): void {
    this.state = 'size'
    this.left = 0
    this.count = 0
  }

  /** All chunks that came, or parts of them, as one piece: they are moved together where they stand. */
  private chunks (bytes: Buffer, from: number, size: number): number {
    let at = from
    let start = 0
    let end = 0
    let fault: Error | undefined
    while (at < size && this.state !== 'trailers') {
      if (this.state === 'data') {
        const stop = Math.min(size, at + this.left)
        if (end === 0) {
          start = at
          end = stop
        } else {
          bytes.copyWithin(end, at, stop)
          end += stop - at
        }
        this.left -= stop - at
        at = stop
        if (this.left === 0) this.state = 'data-cr'
      } else {
        fault = this.framing(bytes[at++] ?? 0)
        if (fault !== undefined) break
      }
    }
    const last = this.state === 'trailers' && at + 2 <= size && bytes[at] === cr && bytes[at + 1] === lf
    if (end > start && !this.sink.body(keep(bytes, start, end), last)) return this.stop()
    // what came before the fault was good
    if (fault !== undefined) throw fault
    return at
  }

  /** One byte between the bytes of a body. */
  private framing (byte: number): Error | undefined {
    switch (this.state) {
      case 'size': {
        const digit = hex[byte] ?? 255
        if (digit !== 255) {
          this.left = this.left * 16 + digit
          return ++this.count > 16 || !Number.isSafeInteger(this.left) ? malformed('chunk size') : undefined
        }
        if (this.count === 0) return malformed('chunk size')
        this.count = 0
        if (byte === cr) this.state = 'size-lf'
        else if (byte === semicolon) this.state = 'extension'
        else return malformed('chunk size')
        return undefined
      }
      case 'extension':
        if (byte === cr) this.state = 'size-lf'
        else if (byte === lf || byte === 0 || ++this.count > longestExtension) return malformed('chunk extension')
        return undefined
      case 'size-lf':
        if (byte !== lf) return malformed('chunk size')
        this.state = this.left === 0 ? 'trailers' : 'data'
        return undefined
      case 'data-cr':
        if (byte !== cr) return malformed('chunk end')
        this.state = 'data-lf'
        return undefined
      default:
        if (byte !== lf) return malformed('chunk end')
        this.startChunk()
        return undefined
    }
  }

  /** What stands between the last chunk and the end. */
  private trailers (bytes: Buffer, at: number, size: number): number {
    // nearly always nothing: the empty line comes at once
    const first = this.partial + bytes.toString('latin1', at, Math.min(size, at + 2 - Math.min(2, this.partial.length)))
    if (first === '\r\n') {
      const end = at + 2 - this.partial.length
      this.partial = ''
      this.finish(noTrailers, end === size)
      return -1
    }
    const found = this.gather(bytes, at, size, true)
    if (found === -1) return size
    const text = this.partial
    this.partial = ''
    this.finish(readTrailers(text), found === size)
    return -1
  }
}
