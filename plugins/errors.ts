// Answers every error of the router's scope in OpenAI's shape, with the right status and no internal address.
import fp from 'fastify-plugin'
import type { FastifyError, FastifyPluginAsync } from 'fastify'
import { NotFoundError } from '../core/errors.ts'
import { ownHeaders } from '../core/headers.ts'
import { errorType, openAiError } from '../openai/errors.ts'
import type { OpenAiError } from '../openai/errors.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Why the router itself refused or could not finish this request, as a short fixed word; null while nothing went wrong. */
    routerFailure: string | null
  }
}

/** Status and body for an error. What the router does not know is a 500 whose message tells nothing. */
export function describeError (error: Partial<FastifyError>): { status: number, body: OpenAiError } {
  const status = error.statusCode ?? 500
  const known = status < 500 || (error.code !== undefined && !error.code.startsWith('FST_') && error.statusCode !== undefined)
  const message = known ? error.message ?? 'error' : 'The router failed to handle this request'
  return { status, body: openAiError(status, message, errorType(status), known ? codeOf(error) : 'internal_error') }
}

function codeOf (error: Partial<FastifyError>): string | null {
  if (error.code === undefined) return null
  const names: Record<string, string> = { FST_ERR_CTP_BODY_TOO_LARGE: 'payload_too_large', FST_ERR_VALIDATION: 'invalid_request' }
  return names[error.code] ?? error.code.replace(/^FST_ERR_/, '').toLowerCase()
}

const plugin: FastifyPluginAsync = async fastify => {
  fastify.decorateRequest('routerFailure', null)
  fastify.setErrorHandler((error: FastifyError, request, reply) => {
    const { status, body } = describeError(error)
    request.routerFailure = String(body.error.code ?? 'error')
    if (status === 500) request.log.error({ err: error }, 'request failed inside the router')
    return reply.code(status).headers(ownHeaders).type('application/json; charset=utf-8').send(body)
  })
  // without a prefix the application's own 404 is meant for unknown paths, and it could not be set a second time
  if (fastify.prefix !== '') {
    fastify.setNotFoundHandler((request, reply) => {
      reply.send(new NotFoundError(request.url.split('?', 1)[0]))
    })
  }
}

/** Fastify plugin: errors in OpenAI's shape. */
export const errors: FastifyPluginAsync = fp(plugin, { fastify: '5.x', name: 'vllm-router-errors' })
export default errors
