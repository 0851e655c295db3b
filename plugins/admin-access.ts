// Guards the admin routes: with a key of their own, against requests that came by another listener than theirs, and against pages of other origins.
import { createHash, timingSafeEqual } from 'node:crypto'
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyPluginCallback, FastifyRequest, onRequestHookHandler } from 'fastify'
import { bearerToken } from '../auth/bearer.ts'
import { AdminKeyError, ForeignPageError, NotFoundError } from '../core/errors.ts'

/** Options of the admin access plugin. */
export interface AdminAccessOptions {
  /** Bearer token that opens the admin routes; undefined = none is asked for. */
  adminApiKey?: string | undefined
}

/** What the plugin decorates the instance with. */
export interface AdminAccess {
  /** An `onRequest` hook for admin routes. */
  readonly guard: onRequestHookHandler
  /** The admin routes have a key of their own, which is all that opens them. */
  readonly hasKey: boolean
  /** Changes options while the router runs. */
  configure (options: AdminAccessOptions): void
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly adminAccess: AdminAccess
  }
  interface FastifyContextConfig {
    /**
     * Marks routes that the router answers itself: for those who run the fleet (`admin`), for those who watch the process
     * (`probe`), or descriptions for anybody (`docs`). Routes without it are for the API's clients.
     */
    audience?: 'admin' | 'probe' | 'docs'
  }
}

// keys of any length are compared by digests of one length
const digest = (key: string): Buffer => createHash('sha256').update(key).digest()

const harmless = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * A browser sends this for a page of another origin, which nobody allowed. Browsers ask beforehand for few requests only: any page
 * could have its visitors add a worker of its own to a router on their machine.
 */
function isForeignPage (fastify: FastifyInstance, { method, headers }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site']
  if (harmless.has(method) || (site !== 'cross-site' && site !== 'same-site')) return false
  // the cors plugin is optional
  return headers.origin === undefined || !fastify.hasDecorator('corsPolicy') || !fastify.corsPolicy.names(headers.origin)
}

const plugin: FastifyPluginCallback<AdminAccessOptions> = (fastify, options, done) => {
  let expected: Buffer | undefined
  function configure ({ adminApiKey }: AdminAccessOptions): void {
    expected = adminApiKey === undefined ? undefined : digest(adminApiKey)
  }
  configure(options)

  fastify.decorate('adminAccess', {
    configure,
    get hasKey () { return expected !== undefined },
    guard (request, reply, next) {
      // the listener is optional
      if (fastify.hasDecorator('adminListener') && !fastify.adminListener.brought(request.raw)) {
        next(new NotFoundError(request.url.split('?', 1)[0]))
        return
      }
      if (isForeignPage(fastify, request)) {
        next(new ForeignPageError())
        return
      }
      const given = bearerToken(request.raw.rawHeaders) ?? ''
      if (expected === undefined || timingSafeEqual(digest(given), expected)) {
        next()
        return
      }
      reply.header('www-authenticate', 'Bearer')
      next(new AdminKeyError())
    }
  })
  done()
}

/** Fastify plugin: access to the admin routes, `fastify.adminAccess`. */
export const adminAccess: FastifyPluginCallback<AdminAccessOptions> = fp(plugin, { fastify: '5.x', name: 'vllm-router-admin-access' })
export default adminAccess
