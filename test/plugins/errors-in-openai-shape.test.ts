// Whatever goes wrong in the router's scope, the client gets OpenAI's error object with the right status and nothing internal.
import Fastify from 'fastify'
import type { InjectOptions } from 'fastify'
import t from 'tap'
import { vllmRouter } from '../../router.ts'

t.test('errors', async t => {
  const app = Fastify({ bodyLimit: 500 })
  t.teardown(() => app.close())
  await app.register(vllmRouter, {
    prefix: '/llm',
    maxPayloadSize: 1000,
    forwardUnknownPaths: false,
    extend: scope => {
      scope.get('/throws', () => { throw new Error('secret: http://10.0.0.1:8000') })
      scope.get('/throws-coded', () => { throw Object.assign(new Error('secret: http://10.0.0.1:8000'), { code: 'ECONNREFUSED' }) })
    }
  })
  const cases: ReadonlyArray<[name: string, request: InjectOptions, status: number, code: string, type: string]> = [
    ['unknown path', { url: '/llm/nothing' }, 404, 'not_found', 'not_found_error'],
    ['unknown worker', { url: '/llm/workers/unknown' }, 404, 'worker_not_found', 'not_found_error'],
    ['unknown worker with a URL', { method: 'DELETE', url: '/llm/workers/http%3A%2F%2Fa%3A1' }, 404, 'worker_not_found', 'not_found_error'],
    ['no worker', { method: 'POST', url: '/llm/v1/completions', payload: { model: 'a' } }, 503, 'no_available_workers', 'service_unavailable_error'],
    ['no models', { url: '/llm/v1/models' }, 503, 'no_available_workers', 'service_unavailable_error'],
    ['a body too long for workers', { method: 'POST', url: '/llm/v1/completions', payload: { model: 'a'.repeat(1000) } }, 413, 'payload_too_large', 'invalid_request_error'],
    ['a body too long for the router', { method: 'POST', url: '/llm/workers', payload: { url: 'a'.repeat(500) } }, 413, 'payload_too_large', 'invalid_request_error'],
    ['no JSON', { method: 'POST', url: '/llm/workers', headers: { 'content-type': 'application/json' }, payload: '{' }, 400, 'ctp_invalid_json_body', 'invalid_request_error'],
    ['no body', { method: 'POST', url: '/llm/workers', headers: { 'content-type': 'application/json' }, payload: '' }, 400, 'invalid_request', 'invalid_request_error'],
    ['no object', { method: 'POST', url: '/llm/workers', payload: [] }, 400, 'invalid_request', 'invalid_request_error'],
    ['no JSON type', { method: 'POST', url: '/llm/workers', headers: { 'content-type': 'text/plain' }, payload: '{"url":"http://a:1"}' }, 400, 'invalid_request', 'invalid_request_error'],
    ['no url in a body', { method: 'POST', url: '/llm/workers', payload: {} }, 400, 'invalid_request', 'invalid_request_error'],
    ['no url in a query', { method: 'POST', url: '/llm/add_worker' }, 400, 'invalid_request', 'invalid_request_error'],
    ['a bad url', { method: 'POST', url: '/llm/add_worker?url=ftp://a' }, 400, 'invalid_request', 'invalid_request_error'],
    ['a bad url to remove', { method: 'POST', url: '/llm/remove_worker?url=nothing' }, 400, 'invalid_request', 'invalid_request_error'],
    ['a role of another mode', { method: 'POST', url: '/llm/workers', payload: { url: 'http://a:1', worker_type: 'prefill' } }, 400, 'invalid_request', 'invalid_request_error'],
    ['another method', { method: 'GET', url: '/llm/add_worker?url=http://a:1' }, 405, 'method_not_allowed', 'invalid_request_error'],
    ['an error of the code', { url: '/llm/throws' }, 500, 'internal_error', 'server_error'],
    ['an error of a library', { url: '/llm/throws-coded' }, 500, 'internal_error', 'server_error']
  ]
  for (const [name, request, status, code, type] of cases) {
    const response = await app.inject(request)
    t.equal(response.statusCode, status, name)
    t.equal(response.headers['content-type'], 'application/json; charset=utf-8')
    const body = response.json<{ error: Record<string, unknown> }>()
    t.same(Object.keys(body), ['error'])
    t.match(body.error, { message: /^(?!.*(secret|10\.0)).+/, type, code, param: null }, name)
    t.same(Object.keys(body.error), ['message', 'type', 'param', 'code'])
    t.ok(response.headers['x-request-id'], 'with the request\'s id')
    if (status === 503) t.equal(response.headers['retry-after'], '1')
  }
  t.equal((await app.inject({ method: 'PATCH', url: '/llm/workers' })).headers.allow, 'GET, HEAD, POST')
})
