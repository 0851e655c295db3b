// Lets in only requests of callers it recognises: by static keys, JWTs, validation URLs, or code of the application's own.
import fp from 'fastify-plugin'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { bearerToken } from '../auth/bearer.ts'
import { allowedModels, makeCaller } from '../auth/caller.ts'
import type { Caller, Finding } from '../auth/caller.ts'
import { AuthUnavailableError, InvalidApiKeyError, NotAllowedError } from '../core/errors.ts'
import { isClosed } from '../core/reply.ts'
import { Authentication, hasMeans } from './authentication.ts'
import type { AuthenticationOptions } from './authentication.ts'

/** A caller as an application's own code states him. */
export interface StatedCaller {
  /** For logs and metrics; no secret. */
  readonly name: string
  /** The only models he may use; absent = all. */
  readonly models?: Iterable<string>
}

/**
 * Recognises callers in a way of one's own, before all other means. Null or undefined: the others are asked. An error with a
 * `statusCode` from 400 to 499 is the client's answer; any other error, and no answer within `authTimeoutMs`, is a 503.
 */
export type Authenticate = (request: FastifyRequest) => StatedCaller | null | undefined | Promise<StatedCaller | null | undefined>

/** Options of the auth plugin; at least one means of recognising callers must be among them. */
export interface AuthOptions extends AuthenticationOptions {
  authenticate?: Authenticate | undefined
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly authentication: Authentication
  }
  interface FastifyContextConfig {
    /**
     * Who may use a route. Default: on routes that workers serve (`workerRoute`) all callers, on others those that are not limited
     * to certain models. `any`: all callers. `none`: everybody; the route asks for credentials of its own, or for none.
     */
    auth?: 'any' | 'none'
  }
}

type Verdict = Finding | 'missing' | Error

const plugin: FastifyPluginAsync<AuthOptions> = async (fastify, options) => {
  const { authenticate, ...means } = options
  if (authenticate === undefined && !hasMeans(means)) throw new Error('auth needs apiKeyValidationUrls, apiKeysFile, jwtIssuer or authenticate')
  const authentication = new Authentication(means, fastify.prefix, fastify.log)
  fastify.decorate('authentication', authentication)
  fastify.addHook('onClose', async () => await authentication.close())
  await authentication.start()

  function byToken (request: FastifyRequest): Verdict | Promise<Verdict> {
    const token = bearerToken(request.raw.rawHeaders)
    return token === undefined ? 'missing' : authentication.check(token)
  }

  async function byHook (ask: Authenticate, request: FastifyRequest): Promise<Verdict> {
    try {
      const stated = await inTime(ask(request), authentication.timeoutMs)
      if (stated !== null && stated !== undefined) return makeCaller(stated.name, 'hook', stated.models === undefined ? undefined : allowedModels([...stated.models]))
    } catch (error) {
      const status: unknown = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
      if (error instanceof Error && typeof status === 'number' && status >= 400 && status < 500) return error
      request.log.error({ err: error }, 'authenticate failed')
      return 'unavailable'
    }
    return await byToken(request)
  }

  // the hook of a whole scope, so that it stands before unknown paths and wrong methods as well
  fastify.addHook('onRequest', (request, reply, next) => {
    const { auth, audience } = request.routeOptions.config
    // the admin access plugin is optional
    const hasOwnKey = audience === 'admin' && fastify.hasDecorator('adminAccess') && fastify.adminAccess.hasKey
    if (auth === 'none' || hasOwnKey || authentication.isExempt(request.raw.url ?? '')) {
      next()
      return
    }
    const verdict = authenticate === undefined ? byToken(request) : byHook(authenticate, request)
    if (verdict instanceof Promise) verdict.then(later => decide(request, reply, later, next), next)
    else decide(request, reply, verdict, next)
  })

  function decide (request: FastifyRequest, reply: FastifyReply, verdict: Verdict, next: () => void): void {
    // the router ends, and has answered meanwhile
    if (reply.sent) return
    // its `close` has been and will not come again
    if (isClosed(reply.raw)) {
      request.routerFailure = 'client_gone'
      reply.hijack()
      return
    }
    if (isCaller(verdict)) {
      authentication.emit('decided', 'valid', verdict.via)
      request.caller = verdict
      const { workerRoute, auth } = request.routeOptions.config
      if (verdict.models === undefined || workerRoute !== undefined || auth === 'any') next()
      else reply.send(new NotAllowedError('This API key is limited to certain models and may not use this path'))
      return
    }
    authentication.emit('decided', verdict instanceof Error ? 'invalid' : verdict, 'none')
    if (verdict === 'unavailable') reply.header('retry-after', '1')
    else if (typeof verdict === 'string' || ('statusCode' in verdict && verdict.statusCode === 401)) reply.header('www-authenticate', 'Bearer')
    reply.send(errorFor(verdict))
  }
}

function isCaller (verdict: Verdict): verdict is Caller {
  return typeof verdict === 'object' && !(verdict instanceof Error)
}

function errorFor (verdict: 'missing' | 'invalid' | 'unavailable' | Error): Error {
  switch (verdict) {
    case 'missing': return new InvalidApiKeyError('No API key was given: send it as `Authorization: Bearer KEY`')
    case 'invalid': return new InvalidApiKeyError('The API key is not valid')
    case 'unavailable': return new AuthUnavailableError()
    default: return verdict
  }
}

async function inTime<T> (promise: T | Promise<T>, limitMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  try {
    return await Promise.race([promise, new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer in ${limitMs} ms`)), limitMs)
    })])
  } finally {
    clearTimeout(timer)
  }
}

/** Fastify plugin: callers are asked for, `fastify.authentication`. To be registered after those who watch requests and before all routes. */
export const auth: FastifyPluginAsync<AuthOptions> = fp(plugin, {
  fastify: '5.x', name: 'vllm-router-auth', decorators: { request: ['routerFailure', 'caller'] }
})
export default auth
