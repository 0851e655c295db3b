// One connection of a client that says what it likes and takes the answers apart as they come, one after the other.
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { parse } from './raw-client.ts'
import type { RawAnswer } from './raw-client.ts'
import { until } from './until.ts'

/** Where the first answer in these bytes ends; undefined while it is not whole. An answer without a length ends with the connection. */
function endOf (bytes: Buffer, method: string, closed: boolean): number | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd === -1) return undefined
  const head = bytes.toString('latin1', 0, headEnd + 2)
  const status = Number(head.split(' ', 2)[1])
  const start = headEnd + 4
  if (status < 200) {
    const after = endOf(bytes.subarray(start), method, closed)
    return after === undefined ? undefined : start + after
  }
  if (method === 'HEAD' || status === 204 || status === 304) return start
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(head)?.[1]
  if (length !== undefined) return bytes.length >= start + Number(length) ? start + Number(length) : undefined
  if (!/\r\ntransfer-encoding: chunked\r\n/i.test(head)) return closed ? bytes.length : undefined
  for (let at = start; ;) {
    const line = bytes.indexOf('\r\n', at)
    const size = line === -1 ? NaN : parseInt(bytes.toString('latin1', at, line), 16)
    if (Number.isNaN(size)) return undefined
    at = line + 2 + size + 2
    if (at > bytes.length) return undefined
    if (size === 0) return at
  }
}

/** A connection to a server under test. */
export class Conversation {
  readonly socket: Socket
  /** The server has ended the connection, or it was cut. */
  closed = false
  reset = false
  private bytes = Buffer.alloc(0)

  constructor (port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    this.socket.on('data', chunk => { this.bytes = Buffer.concat([this.bytes, chunk]) })
    this.socket.on('error', () => { this.reset = true })
    for (const event of ['end', 'close'] as const) this.socket.on(event, () => { this.closed = true })
  }

  say (bytes: string | Buffer): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** The client's side ends; the server may still answer. */
  end (): void {
    this.socket.end()
  }

  /** The next answer; undefined when the connection ends without one. */
  async answer (what: string, method = 'GET', limit = 10_000): Promise<RawAnswer | undefined> {
    const end = await until(`an answer to ${what} instead of ${JSON.stringify(this.rest)}`, () => {
      const found = endOf(this.bytes, method, this.closed)
      return found ?? (this.closed ? 0 : undefined)
    }, limit)
    if (end === 0) return undefined
    const answer = parse(this.bytes.subarray(0, end), method)
    this.bytes = this.bytes.subarray(end)
    return answer
  }

  /** What came and belongs to no answer taken yet. */
  get rest (): string {
    return this.bytes.toString('latin1')
  }

  leave (): void {
    this.socket.destroy()
  }
}
