// Every other path a worker may serve, known or not yet invented: forwarded as it is, through @fastify/reply-from.
import type { FastifyPluginCallback } from 'fastify'
import { MethodNotAllowedError } from '../core/errors.ts'

/** Paths of vLLM's with a name of their own in metrics; all others share one, so that clients cannot make up series. */
const named = [
  '/tokenize', '/detokenize', '/score', '/v1/score', '/rerank', '/v1/rerank', '/v2/rerank', '/pooling', '/classify',
  '/v1/chat/completions/render', '/v1/completions/render', '/v1/load_lora_adapter', '/v1/unload_lora_adapter'
]

/** Options of the pass-through routes. */
export interface PassthroughOptions {
  /** Also paths that are not named here. */
  unknown: boolean
}

/** Fastify plugin: everything the router does not own. */
export const passthroughRoutes: FastifyPluginCallback<PassthroughOptions> = (fastify, options, done) => {
  // TRACE is answered with the request as it arrived, and so with what is only for workers, such as the router's own key
  const methods = fastify.supportedMethods.filter(method => method !== 'TRACE')
  for (const path of options.unknown ? [...named, '/*'] : named) {
    fastify.route({
      method: methods,
      url: path,
      exposeHeadRoute: false,
      schema: { hide: true },
      config: { workerRoute: path === '/*' ? 'other' : path },
      // reply-from warns of every failed call; the router tells what matters by worker states, metrics and the access log
      logLevel: 'error',
      handler: (_request, reply) => { reply.forward({ via: 'from' }) }
    })
  }
  if (options.unknown) {
    fastify.route({
      method: 'TRACE',
      url: '/*',
      schema: { hide: true },
      handler (request, reply) {
        reply.header('allow', methods.join(', '))
        throw new MethodNotAllowedError(request.method, request.url.split('?', 1)[0])
      }
    })
  }
  done()
}
export default passthroughRoutes
