// Tells browsers which pages of other origins may use the router, and answers what they ask beforehand (CORS).
import cors from '@fastify/cors'
import type { FastifyCorsOptions } from '@fastify/cors'
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyPluginCallback, onRequestHookHandler } from 'fastify'

/** Options of the CORS plugin. */
export interface CorsOptions {
  /** Origins whose pages may; none or `*` = any, though not on the admin routes. Default none. */
  corsAllowedOrigins?: readonly string[]
}

/** What the plugin decorates the instance with. */
export interface CorsPolicy {
  /** Whether an origin is one of those that are allowed by name. */
  names (origin: string): boolean
  /** Changes options while the router runs. */
  configure (options: CorsOptions): void
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly corsPolicy: CorsPolicy
  }
}

/** Headers of answers that pages may read. */
const exposed = ['x-request-id', 'x-vllm-router-decision']

/** Seconds a browser may remember what it was allowed. */
const maxAge = 3600

function settingsOf (origins: readonly string[], any: boolean): FastifyCorsOptions {
  const common = { exposedHeaders: exposed, maxAge }
  // headers are allowed as they are asked for: `*` would leave out Authorization
  if (any) return { ...common, origin: '*', methods: '*' }
  return { ...common, origin: [...origins], methods: ['GET', 'POST', 'DELETE', 'OPTIONS'], allowedHeaders: ['Content-Type', 'Authorization'] }
}

/**
 * The hook of `@fastify/cors`, not registered: it writes headers to every answer, asked or not. Its route for preflights is not
 * needed, because the hook answers them wherever there is a route at all.
 */
function hookOf (fastify: FastifyInstance, settings: FastifyCorsOptions): onRequestHookHandler {
  let hook: onRequestHookHandler | undefined
  const nothing = { value () {} }
  const scope: FastifyInstance = Object.create(fastify, {
    decorateRequest: nothing,
    options: nothing,
    addHook: { value (_name: string, made: onRequestHookHandler) { hook = made } }
  })
  cors(scope, settings, error => { if (error !== undefined) throw error })
  if (hook === undefined) throw new Error('@fastify/cors has no hook any more')
  return hook
}

const plugin: FastifyPluginCallback<CorsOptions> = (fastify, options, done) => {
  let any = true
  let named: readonly string[] = []
  let hook: onRequestHookHandler
  function configure ({ corsAllowedOrigins = [] }: CorsOptions): void {
    named = corsAllowedOrigins
    any = corsAllowedOrigins.length === 0 || corsAllowedOrigins.includes('*')
    hook = hookOf(fastify, settingsOf(corsAllowedOrigins, any))
  }
  configure(options)
  fastify.decorate('corsPolicy', { configure, names: origin => named.includes(origin) })
  fastify.decorateRequest('corsPreflightEnabled', false)
  fastify.addHook('onRequest', function (request, reply, next) {
    const { origin } = request.headers
    // nobody asked; or a page that anybody may have made asks for what only those who run the fleet should know
    if (origin === undefined || (any && reply.routeOptions.config.audience === 'admin')) next()
    // a method like any other, for whoever serves the path
    else if (request.method === 'OPTIONS' && request.headers['access-control-request-method'] === undefined) next()
    else hook.call(this, request, reply, next)
  })
  done()
}

/** Fastify plugin: CORS, `fastify.corsPolicy`. Register it before plugins that ask who a client is: preflights do not say. */
export const crossOrigin: FastifyPluginCallback<CorsOptions> = fp(plugin, { fastify: '5.x', name: 'vllm-router-cors' })
export default crossOrigin
