// Copies the values of one JSON key out of a stream of chunks in passing, wherever they were cut, at whatever depth.
import { ByteSearch } from './byte-search.ts'

const quote = 0x22
const backslash = 0x5c
const openBrace = 0x7b

/**
 * Hands every object or string that stands under `key` to `found`, as JSON text. The bytes `"key":` mean a key wherever they
 * occur in JSON: inside a string the quotes would be escaped, and after a string that is a value there is no colon. Holds at
 * most `limit` bytes; a longer value is passed over. Text is read as Latin-1, so that cuts inside a character do no harm.
 */
export class KeyCapture {
  private readonly search: ByteSearch
  private readonly opener: number
  private readonly limit: number
  private readonly found: (text: string) => void
  private state: 'key' | 'value' | 'inside' = 'key'
  private text = ''
  private depth = 0
  private quoted = false
  private escaped = false

  constructor (key: string, kind: 'object' | 'string', limit: number, found: (text: string) => void) {
    this.search = new ByteSearch(`"${key}":`)
    this.opener = kind === 'object' ? openBrace : quote
    this.limit = limit
    this.found = found
  }

  push (chunk: Buffer): void {
    let pos = 0
    while (pos < chunk.length) {
      if (this.state === 'key') {
        pos = this.search.find(chunk, pos)
        if (pos === -1) return
        this.state = 'value'
      } else if (this.state === 'value') {
        pos = this.begin(chunk, pos)
      } else {
        pos = this.goOn(chunk, pos)
      }
    }
  }

  /** After the colon: only space may come before the value, and only one of the right kind is taken. */
  private begin (chunk: Buffer, pos: number): number {
    const byte = chunk[pos]
    if (byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d) return pos + 1
    if (byte !== this.opener) {
      this.state = 'key'
      return pos
    }
    this.state = 'inside'
    this.text = ''
    this.depth = 0
    this.quoted = false
    this.escaped = false
    return pos
  }

  private goOn (chunk: Buffer, from: number): number {
    const to = Math.min(chunk.length, from + this.limit - this.text.length)
    for (let pos = from; pos < to; pos++) {
      if (this.ends(chunk[pos] ?? 0)) {
        this.state = 'key'
        const text = this.text + chunk.toString('latin1', from, pos + 1)
        this.text = ''
        this.found(text)
        return pos + 1
      }
    }
    this.text += chunk.toString('latin1', from, to)
    if (this.text.length >= this.limit) {
      this.state = 'key'
      this.text = ''
    }
    return to
  }

  /** Whether the value ends with this byte. */
  private ends (byte: number): boolean {
    if (this.escaped) {
      this.escaped = false
      return false
    }
    if (this.quoted) {
      if (byte === backslash) this.escaped = true
      else if (byte === quote) this.quoted = false
      return !this.quoted && this.depth === 0
    }
    if (byte === quote) this.quoted = true
    else if ((byte | 0x20) === openBrace) this.depth++
    else if ((byte | 0x20) === 0x7d) return --this.depth === 0
    return false
  }
}
