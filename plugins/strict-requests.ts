// Refuses requests that a worker, or a proxy before or behind the router, could read as another request than the router does.
import fp from 'fastify-plugin'
import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import { InvalidRequestError } from '../core/errors.ts'
import { headFault } from '../core/request-head.ts'
import { isPlainPath, loosePath, originForm } from '../core/request-target.ts'

const plugin: FastifyPluginCallback = (fastify, _options, done) => {
  const { prefix } = fastify
  /** By method, the paths of this router's routes, and what those begin with that end in a wildcard, the longest first. */
  const routes = new Map<string, { exact: Set<string>, beginnings: string[] }>()

  fastify.addHook('onRoute', ({ method, url }) => {
    for (const name of [method].flat()) {
      const { exact, beginnings } = routes.get(name) ?? { exact: new Set(), beginnings: [] }
      routes.set(name, { exact, beginnings })
      if (url.endsWith('/*')) beginnings.push(url.slice(0, -1))
      else exact.add(url)
      beginnings.sort((one, other) => other.length - one.length)
    }
  })

  /** The route that a path in its plainest form belongs to. */
  function routeOf (method: string, path: string): string | undefined {
    const { exact, beginnings = [] } = routes.get(method) ?? {}
    if (exact?.has(path) === true) return path
    const beginning = beginnings.find(start => path.startsWith(start))
    return beginning === undefined ? undefined : `${beginning}*`
  }

  function targetFault (request: FastifyRequest): string | undefined {
    const { raw } = request
    const target = originForm(raw.url ?? '')
    if (target === undefined) return 'The request target is not a path'
    // from here on the host in it is of no interest: every worker has its own
    raw.url = target
    const query = target.indexOf('?')
    const path = query === -1 ? target : target.slice(0, query)
    if (isPlainPath(path)) return undefined
    const loose = loosePath(path)
    const { url: route } = request.routeOptions
    // a parameter in a route of somebody else's may hold anything
    const ambiguous = loose === undefined || !path.startsWith(prefix) || (route?.includes('/:') !== true && routeOf(request.method, loose) !== route)
    return ambiguous ? 'The path can be read in more than one way' : undefined
  }

  function faultOf (request: FastifyRequest): string | undefined {
    const { raw } = request
    // what comes over HTTP/2 has no framing in its fields, and was checked by Node
    if ('stream' in raw) return targetFault(request)
    if (raw.httpVersionMajor !== 1 || raw.httpVersionMinor > 1) return `HTTP/${raw.httpVersion} is not spoken here`
    return headFault(raw.rawHeaders, raw.httpVersionMinor) ?? targetFault(request)
  }

  fastify.addHook('onRequest', (request, reply, next) => {
    const fault = faultOf(request)
    if (fault === undefined) {
      next()
      return
    }
    // who sends such a request may mean something else by what follows on the connection, too
    reply.header('connection', 'close')
    next(new InvalidRequestError(fault))
  })
  done()
}

/** Fastify plugin: refuses ambiguous requests with 400. Register it before the routes, and after plugins that watch requests. */
export const strictRequests: FastifyPluginCallback = fp(plugin, { fastify: '5.x', name: 'vllm-router-strict-requests' })
export default strictRequests
