// A TCP proxy that can cut connections, or freeze them so that neither side notices.
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { once } from 'node:events'
import type { Test } from 'tap'

/** A proxy before one address. */
export interface TcpProxy {
  readonly port: number
  /** Connections now. */
  readonly open: number
  /** Resets all connections. */
  cut (): void
  /** Nothing passes on the connections there are, and the client is not told of their end; new ones work. */
  freeze (): void
  /** Refuses new connections, or takes them again. */
  refuse (refuse: boolean): void
}

interface Pair { readonly client: Socket, readonly server: Socket, frozen: boolean }

/** Starts a proxy that ends with the test. */
export async function startTcpProxy (t: Test, target: { host: string, port: number }): Promise<TcpProxy> {
  const pairs = new Set<Pair>()
  let refusing = false
  const proxy = createServer({ allowHalfOpen: true }, client => {
    if (refusing) {
      client.resetAndDestroy()
      return
    }
    const server = connect(target)
    const pair: Pair = { client, server, frozen: false }
    pairs.add(pair)
    const gone = (): void => {
      if (pair.frozen) return
      pairs.delete(pair)
      client.destroy()
      server.destroy()
    }
    for (const socket of [client, server]) socket.on('error', gone).on('close', gone)
    client.pipe(server)
    server.pipe(client)
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  t.teardown(() => {
    for (const { client, server } of pairs) {
      client.destroy()
      server.destroy()
    }
    return new Promise(resolve => proxy.close(resolve))
  })
  return {
    port: (proxy.address() as AddressInfo).port,
    get open () { return pairs.size },
    cut () {
      for (const pair of pairs) {
        pair.frozen = false
        pair.client.resetAndDestroy()
        pair.server.destroy()
      }
      pairs.clear()
    },
    freeze () {
      for (const pair of pairs) {
        pair.frozen = true
        pair.client.unpipe(pair.server)
        pair.server.unpipe(pair.client)
        pair.client.pause()
        pair.server.pause()
      }
    },
    refuse (refuse) { refusing = refuse }
  }
}
