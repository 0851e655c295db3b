// Saves connections that were given to a process which ended before it took them: Node would keep them open for ever, with nobody to answer.
import type { Worker } from 'node:cluster'
import { connect, Socket } from 'node:net'
import type { SocketConstructorOpts } from 'node:net'

/** What `node:cluster` hands on with `newconn`: a connection that no socket stands for yet. */
interface Handle {
  /** Negative once it is closed, which the cluster does when the process has taken the connection. */
  readonly fd: number
}

interface ClusterMessage {
  readonly act?: unknown
  readonly key?: unknown
}

/**
 * Watches what a process is given. It gets the next connection of a listener only when it has taken the last, so that at most one each
 * can be lost. One that is goes to another process by a connection that this process makes, and relays: it lives as long as its client
 * likes, and there is one for each death.
 *
 * @param rescued told of each
 */
export function rescueConnections (worker: Worker, rescued: () => void): void {
  const last = new Map<unknown, Handle>()
  const { process } = worker
  const send = process.send.bind(process) as (...args: unknown[]) => boolean
  const watched = (message: ClusterMessage, handle?: Handle, ...rest: unknown[]): boolean => {
    if (message.act === 'newconn' && typeof handle?.fd === 'number') last.set(message.key, handle)
    return send(message, handle, ...rest)
  }
  process.send = watched as typeof process.send
  worker.once('exit', () => {
    for (const handle of last.values()) {
      if (handle.fd < 0) continue
      relay(new Socket({ handle, allowHalfOpen: true } as SocketConstructorOpts))
      rescued()
    }
  })
}

/** The port is served by the others, or will be: until then a connection waits. */
function relay (client: Socket): void {
  const { localAddress, localPort } = client
  if (localAddress === undefined || localPort === undefined) {
    client.destroy()
    return
  }
  const other = connect({ host: localAddress, port: localPort, allowHalfOpen: true })
  for (const [one, two] of [[client, other], [other, client]] as const) {
    one.setNoDelay(true)
    one.pipe(two)
    one.once('error', () => two.destroy())
    one.once('close', () => two.destroy())
  }
}
