// The routes that make tokens (and embeddings): the hot ones, straight through undici.
import type { FastifyPluginCallback } from 'fastify'

/** Paths served this way. */
const paths = [
  '/v1/chat/completions', '/v1/completions', '/v1/messages', '/v1/embeddings',
  '/v1/audio/transcriptions', '/v1/audio/translations', '/v1/audio/speech',
  '/generate', '/inference/v1/generate'
]

/** Fastify plugin: generation routes. */
export const openAiRoutes: FastifyPluginCallback = (fastify, _options, done) => {
  for (const path of paths) {
    fastify.post(path, { schema: { hide: true }, config: { workerRoute: path } }, (_request, reply) => {
      reply.forward({ via: 'dispatch' })
    })
  }
  done()
}
export default openAiRoutes
