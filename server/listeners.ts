// Makes the servers clients connect to: plain or TLS, HTTP/1.1 and HTTP/2, with bounds on what a connection may hold without asking for anything.
import { createServer } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import { createSecureServer } from 'node:http2'
import type { Http2SecureServer, ServerHttp2Session } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import { ClientErrors } from './client-errors.ts'
import type { ServerTls } from './tls.ts'

/** Milliseconds a connection is kept on which nothing is asked. Fastify's own. */
const keepAliveMs = 72_000

/**
 * Streams of one HTTP/2 connection at the same time. Browsers and SDKs have a handful; proxies, which have many clients on one
 * connection, open another.
 */
const maxStreams = 250
/** Bytes a client may send ahead of what is read, of one request and on one connection. Node's 64 KiB make large prompts slow over long distances. */
const streamWindow = 256 * 1024
const connectionWindow = 1024 * 1024
/** MB that one HTTP/2 connection may take for what is sent and not yet read; a new stream is refused then. Node's 10 are 40 KiB a stream. */
const sessionMemory = 64

/** Node looks so often for heads that take too long: within a second, and more often where the limit is short. */
function checkIntervalMs (headersMs: number): number {
  return Math.max(50, Math.min(1000, headersMs / 4))
}

/** Options of Node's servers that concern the heads of requests. */
interface HeadLimits {
  readonly headersTimeout: number
  readonly connectionsCheckingInterval: number
  readonly requestTimeout: number
  readonly requireHostHeader: boolean
}

/** A limit on the time of a head and none on the whole of a request. One without `Host` is refused by the router, in its own shape. */
export function headLimits (headersMs: number): HeadLimits {
  return { headersTimeout: Math.ceil(headersMs), connectionsCheckingInterval: checkIntervalMs(headersMs), requestTimeout: 0, requireHostHeader: false }
}

/** The servers of one process. */
export class Listeners {
  private readonly tls: ServerTls | undefined
  private readonly servers = new Set<Server>()
  private readonly clientErrors = new ClientErrors()
  private headersMs: number

  constructor (tls: ServerTls | undefined, headersMs: number) {
    this.tls = tls
    this.headersMs = headersMs
  }

  /** Watches over a server that somebody else made. */
  add (server: Server): Server {
    if (this.servers.has(server)) return server
    this.servers.add(server)
    this.clientErrors.watch(server)
    server.once('close', () => this.servers.delete(server))
    return server
  }

  /** A server of HTTP/1.1, with TLS where there is TLS. */
  http1 (listener: RequestListener): Server {
    const limits = headLimits(this.headersMs)
    if (this.tls === undefined) return this.add(createServer(limits, listener))
    const server = createTlsServer({ ...this.tls.options, ...limits, handshakeTimeout: limits.headersTimeout, keepAliveTimeout: keepAliveMs }, listener)
    this.tls.follow(server)
    return this.add(server)
  }

  /** A server of HTTP/2 and HTTP/1.1 over TLS. Node's type of it has less than Node's server of HTTP/1.1, whose part it can take. */
  http2 (listener: RequestListener, tls: ServerTls): Server {
    const limits = headLimits(this.headersMs)
    const server = createSecureServer({
      ...tls.options,
      handshakeTimeout: limits.headersTimeout,
      allowHTTP1: true,
      settings: { maxConcurrentStreams: maxStreams, initialWindowSize: streamWindow },
      maxSessionMemory: sessionMemory
    })
    // what Node's own server of HTTP/1.1 has by its options, this one has as properties only
    Object.assign(server, {
      ...limits,
      keepAliveTimeout: keepAliveMs,
      keepAliveTimeoutBuffer: 1000,
      shouldUpgradeCallback: () => false
    })
    server.on('session', session => this.bound(session))
    const alike = asHttp1(server)
    alike.on('request', listener)
    tls.follow(server)
    return this.add(alike)
  }

  /** Changes the limit on the head of a request. */
  limitHeads (headersMs: number): void {
    this.headersMs = headersMs
    for (const server of this.servers) server.headersTimeout = Math.ceil(headersMs)
  }

  /** A connection that asks for nothing is closed, as one of HTTP/1 is. */
  private bound (session: ServerHttp2Session): void {
    let streams = 0
    session.setLocalWindowSize(connectionWindow)
    session.setTimeout(this.headersMs)
    session.on('timeout', () => { if (streams === 0) session.close() })
    session.on('stream', stream => {
      if (session.destroyed) return
      if (streams++ === 0) session.setTimeout(keepAliveMs)
      stream.once('close', () => { streams-- })
    })
  }
}

function asHttp1 (server: Http2SecureServer): Server {
  return server as unknown as Server
}
