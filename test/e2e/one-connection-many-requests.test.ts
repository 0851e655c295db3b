// A client's connection serves one request after another, also pipelined, and an answer that comes before the body was read does not spoil it.
import t from 'tap'
import { open, requestBytes, send } from '../helpers/raw-client.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

const paths = ['/v1/chat/completions', '/tokenize', '/v1/responses', '/v1/responses/resp_1', '/any/path']

t.test('one connection', async t => {
  const worker = await startRawWorker(t)
  const { port, router } = await startRouter(t, { workerUrls: [worker.url] })
  worker.answer = ({ body }, response) => {
    // later requests are answered sooner
    const turn = Number(body.toString())
    setTimeout(() => {
      response.writeHead(200, { 'content-type': turn % 3 === 0 ? 'text/event-stream' : 'text/plain' })
      response.write(`<${turn}`)
      response.end(`/${turn}>`)
    }, Math.max(0, 20 - turn))
  }
  const order = Array.from({ length: 30 }, (_, turn) => turn)
  const bytes = order.map(turn => requestBytes({ path: paths[turn % paths.length] ?? '/', body: String(turn) }, 'keep-alive'))

  const pipelined = open(port, Buffer.concat(bytes))
  await until('all answers', () => pipelined.text().includes('/29>'))
  const answered = [...pipelined.text().matchAll(/<(\d+)|(\d+)>/g)].map(([, begun, ended]) => Number(begun ?? ended))
  t.same(answered, order.flatMap(turn => [turn, turn]), 'in their order, none mixed with another')
  pipelined.socket.destroy()

  const patient = open(port, Buffer.alloc(0))
  for (const turn of order) {
    patient.socket.write(bytes[turn] ?? '')
    await until(`answer ${turn}`, () => patient.text().includes(`/${turn}>`))
  }
  t.equal(patient.text().match(/200 OK/g)?.length, 30)
  patient.socket.destroy()
  t.equal(router.workers.list()[0]?.inFlight, 0)
})

t.test('a worker that answers before it has read', async t => {
  const worker = await startRawWorker(t)
  worker.arriving = request => {
    request.pause()
    request.socket.end('HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlong')
  }
  const { port, router } = await startRouter(t, { workerUrls: [worker.url] })
  for (const path of paths) {
    const { status, body } = await send(port, { path, body: Buffer.alloc(4_000_000, 'x') })
    t.same([status, body.toString()], [413, 'long'], path)
  }
  t.equal(router.workers.list()[0]?.inFlight, 0)
})
