// What P2pNccl workers send each other over ZMQ: a prefill's blocks, which lie with the decode until its request comes for them.
import type { Router } from 'zeromq'
import type { Clock } from '../../core/clock.ts'
import { record } from '../json.ts'
import { isSamePrompt } from './plan.ts'
import type { PromptMark, TransferResult } from './plan.ts'

/** Letters kept at most; the oldest are forgotten first, as nobody may ever come for them. */
const mostLetters = 1024
const maxMessageSize = 64 * 1024

interface Letter {
  readonly from: string
  readonly mark: PromptMark
}

/** What the blocks of one of a request's prompts are known by: a request may have several. */
export function letterName (id: string, choice: number): string {
  return `${id}#${choice}`
}

/** One worker's mail: a ROUTER that others send to, and letters by request id. */
export class Mail {
  private readonly clock: Clock
  private readonly alive: () => boolean
  private readonly letters = new Map<string, Letter>()
  private readonly waiting = new Map<string, () => void>()
  private socket: Router | undefined
  private reading: Promise<void> = Promise.resolve()
  /** `HOST:PORT` of its socket; others know the worker by it. */
  address = ''

  constructor (clock: Clock, alive: () => boolean) {
    this.clock = clock
    this.alive = alive
  }

  /** Letters nobody has come for. */
  get size (): number {
    return this.letters.size
  }

  /** Binds; resolves with the port. */
  async open (host: string, port: number): Promise<number> {
    const { Router } = await import('zeromq')
    const socket = new Router({ linger: 0, maxMessageSize })
    await socket.bind(`tcp://${host}:${port}`)
    this.socket = socket
    this.reading = this.receive(socket).catch(() => {})
    const bound = Number(socket.lastEndpoint?.split(':').at(-1))
    this.address = `${host}:${bound}`
    return bound
  }

  async close (): Promise<void> {
    this.socket?.close()
    this.socket = undefined
    this.letters.clear()
    for (const wake of [...this.waiting.values()]) wake()
    await this.reading
  }

  /** Sends a prompt's blocks; resolves with whether they arrived. */
  async send (to: string, id: string, mark: PromptMark, timeoutMs: number): Promise<boolean> {
    const [{ Dealer }, { encode }] = await Promise.all([import('zeromq'), import('@msgpack/msgpack')])
    const socket = new Dealer({ linger: 0, sendTimeout: timeoutMs, receiveTimeout: timeoutMs })
    try {
      socket.connect(`tcp://${to}`)
      await socket.send(encode({ cmd: 'PUT', tensor_id: id, from: this.address, ...mark }))
      const [answer] = await socket.receive()
      return answer?.toString() === '0'
    } catch {
      return false
    } finally {
      socket.close()
    }
  }

  /** Takes the blocks of a request, waiting for them if need be; `from` is who should have sent them. */
  async wait (id: string, from: string, mark: PromptMark, waitMs: number, signal: AbortSignal): Promise<TransferResult> {
    if (!this.letters.has(id) && !signal.aborted) await this.arrives(id, waitMs, signal)
    const letter = this.letters.get(id)
    this.letters.delete(id)
    if (letter === undefined) return 'timeout'
    return letter.from === from && isSamePrompt(letter.mark, mark) ? 'ok' : 'foreign'
  }

  private async arrives (id: string, waitMs: number, signal: AbortSignal): Promise<void> {
    await new Promise<void>(resolve => {
      const wake = (): void => {
        timer.cancel()
        signal.removeEventListener('abort', wake)
        if (this.waiting.get(id) === wake) this.waiting.delete(id)
        resolve()
      }
      const timer = this.clock.after(waitMs, wake)
      signal.addEventListener('abort', wake)
      this.waiting.set(id, wake)
    })
  }

  private async receive (socket: Router): Promise<void> {
    const { decode } = await import('@msgpack/msgpack')
    for await (const [sender, payload] of socket) {
      if (sender === undefined || payload === undefined || !this.alive()) continue
      const known = this.take(() => decode(payload))
      await socket.send([sender, known ? '0' : '1'])
    }
  }

  private take (read: () => unknown): boolean {
    let message: Record<string, unknown> | undefined
    try {
      message = record(read())
    } catch {
      return false
    }
    const { cmd, tensor_id: id, from, tokens, hash, head } = message ?? {}
    if (cmd !== 'PUT' || typeof id !== 'string' || typeof from !== 'string') return false
    if (typeof tokens !== 'number' || typeof hash !== 'number' || typeof head !== 'number') return false
    this.letters.set(id, { from, mark: { tokens, hash, head } })
    for (const oldest of this.letters.keys()) {
      if (this.letters.size <= mostLetters) break
      this.letters.delete(oldest)
    }
    this.waiting.get(id)?.()
    return true
  }
}
