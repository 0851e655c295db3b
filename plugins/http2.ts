// What HTTP/2 clients need beyond what Fastify does for them: bodies nobody announced, and an end of requests that are answered early.
import fp from 'fastify-plugin'
import type { FastifyPluginCallback } from 'fastify'
import { http2Stream } from '../core/reply.ts'

/** Milliseconds a client gets, once it has its whole answer, to stop sending a body that nobody reads. */
const stopGraceMs = 1000

const plugin: FastifyPluginCallback = (fastify, _options, done) => {
  // servers of HTTP/1 only have no settings: nothing to do, and nothing to pay
  if (!('updateSettings' in fastify.server)) {
    done()
    return
  }

  fastify.addHook('onRequest', (request, reply, next) => {
    const stream = http2Stream(reply.raw)
    if (stream === undefined) {
      next()
      return
    }
    const { raw } = request
    const { headers } = raw
    // Fastify takes a body for none that has neither type nor length, and HTTP/2 asks for neither
    if (!stream.endAfterHeaders && headers['content-type'] === undefined && headers['content-length'] === undefined) headers['transfer-encoding'] = 'chunked'

    stream.once('finish', () => {
      if (raw.complete || stream.endAfterHeaders || !reply.raw.writableEnded) return
      // answered before its body was there: HTTP/1 closes the connection, here the stream would stay, and with it all who wait for `close`
      const timer = setTimeout(() => stream.close(), stopGraceMs)
      timer.unref()
      stream.once('close', () => clearTimeout(timer))
    })
    next()
  })

  // Fastify closes connections on errors within a body; over HTTP/2 a header cannot, and Node warns of it
  fastify.addHook('onSend', (request, reply, payload, next) => {
    if (request.raw.httpVersionMajor === 2) reply.removeHeader('connection')
    next(null, payload)
  })
  done()
}

/** Fastify plugin: HTTP/2. */
export const http2: FastifyPluginCallback = fp(plugin, { fastify: '5.x', name: 'vllm-router-http2' })
export default http2
