// Gives the admin routes a listener of their own: there they are, with the probes, and nothing else; elsewhere they are unknown paths.
import { createServer as createPlainServer } from 'node:http'
import type { IncomingMessage, RequestListener, Server } from 'node:http'
import { Server as TlsServer } from 'node:tls'
import fp from 'fastify-plugin'
import type { FastifyPluginAsync, RouteOptions } from 'fastify'
import { NotFoundError } from '../core/errors.ts'
import { ownHeaders } from '../core/headers.ts'
import { describeError } from './errors.ts'

/** Options of the admin listener. */
export interface AdminListenerOptions {
  /** Port; 0 takes a free one. */
  adminPort: number
  /** Address. Default `127.0.0.1`. */
  adminHost?: string
  /** Makes the server, for TLS or limits of your own. Default a plain one. */
  createAdminServer?: ((listener: RequestListener) => Server) | undefined
}

/** What the plugin decorates the instance with. */
export interface AdminListener {
  /** Where the admin routes are served, once the instance is ready; empty before. */
  readonly address: string
  /** Whether a request came by this listener. */
  brought (request: IncomingMessage): boolean
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly adminListener: AdminListener
  }
}

/** Milliseconds requests that are still under way get when the application has closed. */
const closeGraceMs = 1000

const plugin: FastifyPluginAsync<AdminListenerOptions> = async (fastify, options) => {
  const { adminPort: port, adminHost: host = '127.0.0.1', createAdminServer = createPlainServer } = options
  const here = new WeakSet<IncomingMessage>()
  const routes: RouteOptions[] = []
  const paths = new Set<string>()
  const beginnings: string[] = []
  let address = ''

  // all the application's routes hang on one router: only these paths get there
  const server = createAdminServer((request, reply) => {
    const [path = ''] = (request.url ?? '').split('?', 1)
    if (paths.has(path) || beginnings.some(beginning => path.startsWith(beginning))) {
      here.add(request)
      fastify.routing(request, reply)
      return
    }
    const { status, body } = describeError(new NotFoundError(path))
    reply.writeHead(status, { ...ownHeaders, 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body))
  })

  fastify.decorate('adminListener', {
    get address () { return address },
    brought: request => here.has(request)
  })
  fastify.addHook('onRoute', route => { routes.push(route) })
  fastify.addHook('onReady', async () => {
    for (const { url, config } of routes) {
      if (config?.audience !== 'admin' && config?.audience !== 'probe') continue
      if (url.endsWith('/*')) beginnings.push(url.slice(0, -1))
      else paths.add(url)
    }
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen({ port, host }, resolve)
      })
    } catch (error) {
      throw new Error(`admin routes cannot be served on adminHost ${host}, adminPort ${port}: ${error instanceof Error ? error.message : 'unknown error'}`, { cause: error })
    }
    const bound = server.address()
    if (bound === null || typeof bound === 'string') return
    const name = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address
    const kind: unknown = server
    address = `${kind instanceof TlsServer ? 'https' : 'http'}://${name}:${bound.port}`
  })
  fastify.addHook('onClose', async () => {
    const timer = setTimeout(() => server.closeAllConnections(), closeGraceMs)
    await new Promise<void>(resolve => { server.close(() => resolve()) })
    clearTimeout(timer)
  })
}

/** Fastify plugin: a listener for the admin routes, `fastify.adminListener`. Register it before the routes. */
export const adminListener: FastifyPluginAsync<AdminListenerOptions> = fp(plugin, { fastify: '5.x', name: 'vllm-router-admin-listener' })
export default adminListener
