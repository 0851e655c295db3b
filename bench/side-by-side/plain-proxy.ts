// What one gets from Fastify and @fastify/reply-from alone: no routing but workers in turn, no metrics, no retries, no log.
// plain-proxy.js PORT URL...
import replyFrom from '@fastify/reply-from'
import Fastify from 'fastify'

const [port, ...workers] = process.argv.slice(2)
const app = Fastify({ bodyLimit: 512 * 1024 * 1024 })
await app.register(replyFrom, { undici: { pipelining: 1, keepAliveTimeout: 2000, headersTimeout: 0, bodyTimeout: 0 }, disableRequestLogging: true })
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))

let turn = 0
app.all('/*', (request, reply) => {
  const worker = workers[turn++ % workers.length] ?? ''
  // a body as it came: without this it would be made JSON of once more
  const body = Buffer.isBuffer(request.body) ? { body: request.body, contentType: request.headers['content-type'] ?? 'application/json' } : {}
  return reply.from(worker + request.url, body)
})

await app.listen({ port: Number(port), host: '127.0.0.1' })
