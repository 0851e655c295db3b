// The OpenAPI description holds every route the router answers itself, and none of the workers'; the page is served on request only.
import Fastify from 'fastify'
import t from 'tap'
import { vllmRouter } from '../../router.ts'

interface Description {
  openapi: string
  info: { title: string, version: string }
  paths: Record<string, Record<string, { summary?: string, tags?: string[], parameters?: Array<{ name: string, in: string, required?: boolean }>, responses?: object }>>
}

t.test('the description', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(vllmRouter, { prefix: '/llm' })
  const { openapi, info, paths } = (await app.inject('/llm/router/openapi.json')).json<Description>()
  t.match(openapi, /^3\.\d+\.\d+$/)
  t.match(info, { title: 'fastify-vllm-router', version: /^\d+\.\d+\.\d+/ })
  const operations = Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map(method => `${method} ${path}`))
  t.same(operations.sort(), [
    'delete /llm/workers/{url}', 'get /llm/decisions', 'get /llm/get_loads', 'get /llm/get_model_info', 'get /llm/get_server_info', 'get /llm/health',
    'get /llm/health_generate', 'get /llm/list_workers', 'get /llm/liveness', 'get /llm/readiness', 'get /llm/v1/models',
    'get /llm/v1/models/{id}', 'get /llm/workers', 'get /llm/workers/{url}', 'post /llm/add_worker', 'post /llm/finish_session', 'post /llm/flush_cache',
    'post /llm/remove_worker', 'post /llm/workers'
  ])
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      t.ok(operation.summary, `${method} ${path} has a summary`)
      t.equal(operation.tags?.length, 1)
      t.ok(operation.responses)
      const inPath = (operation.parameters ?? []).filter(parameter => parameter.in === 'path')
      t.same(inPath.map(parameter => `{${parameter.name}}`), path.match(/\{[^}]*\}/g) ?? [], 'every part of the path is a parameter')
      t.ok(inPath.every(parameter => parameter.required))
    }
  }
  t.equal((await app.inject('/llm/router/docs')).statusCode, 503, 'without the option the page is a path like any other')
})

t.test('the page', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(vllmRouter, { prefix: '/llm', swaggerUi: true })
  const page = await app.inject('/llm/router/docs')
  t.equal(page.statusCode, 200)
  t.match(page.headers['content-type'], /^text\/html/)
  t.match((await app.inject('/llm/router/docs/json')).json(), { info: { title: 'fastify-vllm-router' } })
})
