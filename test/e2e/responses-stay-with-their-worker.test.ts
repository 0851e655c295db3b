// Everything about a response goes to the worker that made it: reading, cancelling, sub-paths and the turn that continues it.
import t from 'tap'
import { open, requestBytes, send } from '../helpers/raw-client.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

const json = [['Content-Type', 'application/json']] as const

t.test('many responses on three workers', async t => {
  const workers = await startWorkers(t, 3, { interTokenLatencyMs: 1, prefillRate: 1e6 })
  const { port } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), policy: 'round_robin' })
  const makers = new Set<string>()
  for (let count = 0; count < 45; count++) {
    const stream = count % 3 === 1
    const body = JSON.stringify({ model: 'simulated', input: `question ${count}`, stream, background: count % 3 === 2, max_output_tokens: 3 })
    const made = (await send(port, { path: '/v1/responses', headers: json, body })).body.toString()
    const id = /resp_\w+/.exec(made)?.[0] ?? ''
    makers.add(id)
    const read = await send(port, { method: 'GET', path: `/v1/responses/${id}?include=x` })
    t.equal(read.status, 200, id)
    t.match(read.body.toString(), `"id":"${id}"`)
    const next = await send(port, { path: '/v1/responses', headers: json, body: JSON.stringify({ model: 'simulated', previous_response_id: id, input: 'and then?', max_output_tokens: 2 }) })
    t.equal(next.status, 200)
    const grandchild = /resp_\w+/.exec(next.body.toString())?.[0] ?? ''
    t.equal((await send(port, { method: 'GET', path: `/v1/responses/${grandchild}` })).status, 200)
    const cancelled = await send(port, { path: `/v1/responses/${id}/cancel` })
    t.equal(cancelled.status, count % 3 === 2 ? 200 : 400, 'its worker answers, whatever it says')
  }
  t.equal(makers.size, 45)
  for (const { app } of workers) t.ok(app.simulator.requests.filter(({ url }) => url === '/v1/responses').length > 10, 'each made some')
  const unknown = await send(port, { method: 'GET', path: '/v1/responses/resp_unknown' })
  t.equal(unknown.status, 404)
  t.match(unknown.body.toString(), /resp_unknown/, 'a worker says so')
})

t.test('the id is known as soon as the client can know it', async t => {
  const workers = await Promise.all([startRawWorker(t), startRawWorker(t), startRawWorker(t)])
  const { port } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), policy: 'round_robin' })
  for (let count = 0; count < 6; count++) {
    const id = `resp_${count}`
    for (const worker of workers) {
      worker.answer = (request, response) => {
        if (request.method === 'GET') {
          response.end(worker.url)
          return
        }
        response.writeHead(200, { 'content-type': 'text/event-stream', 'x-made-by': worker.url })
        response.write(`event: response.created\ndata: {"type":"response.created","response":{"id":"${id}","object":"response"}}\n\n`)
      }
    }
    const { socket, text } = open(port, requestBytes({ path: '/v1/responses', headers: json, body: '{"stream":true,"background":true}' }))
    await until('the id', () => text().includes(id))
    for (const path of [`/v1/responses/${id}`, `/v1/responses/${id}/input_items`, `/v1/responses/${id}?a=/b`]) {
      t.match(text(), (await send(port, { method: 'GET', path })).body.toString(), 'while the stream still runs')
    }
    socket.destroy()
    await until('the worker knows', () => workers.reduce((sum, { aborts }) => sum + aborts, 0) === count + 1)
    t.match(text(), (await send(port, { method: 'GET', path: `/v1/responses/${id}` })).body.toString(), 'and after the client left it')
  }
})
