// The door before a ZMQ socket: listens in its place, and lets through what stays within bounds.
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { HostPort } from '../core/host-port.ts'
import { ZmtpBounds } from './zmtp-bounds.ts'

/** What is let through. */
export interface DoorOptions {
  /** Bytes of one message, all frames together. */
  readonly maxMessageBytes: number
  readonly maxConnections: number
  /** A peer that is silent for so long is disconnected, in milliseconds; a real one comes again by itself. */
  readonly idleMs: number
}

/** Connections to one port of this machine, each watched. */
export class ZmtpDoor {
  private readonly options: DoorOptions
  private readonly server: Server
  private readonly open = new Set<Socket>()
  private inner = 0

  constructor (options: DoorOptions) {
    this.options = options
    this.server = createServer(client => this.admit(client))
    this.server.maxConnections = options.maxConnections
  }

  /**
   * Listens, and connects whoever comes to `inner`, a port of this machine's loopback.
   * @throws Error of the system when the address cannot be listened on
   */
  async listen ({ host, port }: HostPort, inner: number): Promise<AddressInfo> {
    this.inner = inner
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject)
      this.server.listen(port, host, () => {
        this.server.off('error', reject)
        resolve()
      })
    })
    return this.server.address() as AddressInfo
  }

  async close (): Promise<void> {
    const closed = new Promise<void>(resolve => { this.server.close(() => resolve()) })
    for (const socket of this.open) socket.destroy()
    await closed
  }

  private admit (client: Socket): void {
    const { maxMessageBytes, idleMs } = this.options
    const bounds = new ZmtpBounds(maxMessageBytes)
    const inner = connect(this.inner, '127.0.0.1')
    const end = (): void => {
      client.destroy()
      inner.destroy()
      this.open.delete(client)
    }
    this.open.add(client)
    for (const socket of [client, inner]) {
      socket.on('error', end)
      socket.on('close', end)
    }
    client.setTimeout(idleMs, end)
    client.on('data', chunk => {
      if (!bounds.pass(chunk)) return end()
      if (inner.write(chunk)) return
      client.pause()
      inner.once('drain', () => client.resume())
    })
    inner.pipe(client)
  }
}
