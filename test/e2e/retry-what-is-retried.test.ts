// 408, 429, 500, 502, 503, 504 and broken connections are tried again on another worker, whatever the path and method; any other answer is final.
import t from 'tap'
import { send } from '../helpers/raw-client.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import type { Answer, RawWorker } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'

const ways: ReadonlyArray<[method: string, path: string, body?: string]> = [
  ['POST', '/v1/chat/completions', '{"messages":[]}'], ['POST', '/v1/embeddings', '{"input":"a"}'], ['POST', '/tokenize', '{"prompt":"a"}'],
  ['POST', '/any/path?q=1', 'text'], ['GET', '/any/path?q=1'], ['PUT', '/any/path', 'text'], ['DELETE', '/any/path']
]

t.test('what is retried', async t => {
  const workers = [await startRawWorker(t), await startRawWorker(t)]
  const { port, router } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), policy: 'round_robin', retryInitialBackoffMs: 1, retryBudgetMinPerSecond: 1000, disableCircuitBreaker: true, disableOutlierDetection: true })

  /** Lets the first worker that is asked answer with `answer`, the second well; returns the client's answer and who was asked. */
  async function first (answer: Answer, [method, path, body]: (typeof ways)[number]): Promise<{ status: number, text: string, asked: RawWorker[] }> {
    const asked: RawWorker[] = []
    for (const worker of workers) {
      worker.requests.length = 0
      worker.answer = (request, response, socket) => {
        asked.push(worker)
        if (asked.length === 1) answer(request, response, socket)
        else response.writeHead(200, { 'content-type': 'text/plain' }).end('well')
      }
    }
    const got = await send(port, { method, path, ...(body === undefined ? {} : { body, headers: [['content-type', 'application/json']] }) })
    for (const { requests } of workers) {
      for (const request of requests) t.same([request.method, request.url, request.body.toString()], [method, path, body ?? ''], 'the same bytes')
    }
    return { status: got.status, text: got.body.toString(), asked }
  }

  for (const way of ways) {
    for (const status of [408, 429, 500, 502, 503, 504]) {
      const { status: got, text, asked } = await first((_request, response) => { response.writeHead(status).end('bad') }, way)
      t.same([got, text, new Set(asked).size], [200, 'well', 2], `${way.join(' ')} ${status}`)
    }
    const broken: ReadonlyArray<[string, Answer]> = [
      ['reset', (_request, _response, socket) => { socket.resetAndDestroy() }],
      ['ended', (_request, _response, socket) => { socket.end() }],
      ['not HTTP', (_request, _response, socket) => { socket.end('nonsense\r\n\r\n') }],
      ['ended after the head', (_request, _response, socket) => { socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n') }]
    ]
    for (const [name, answer] of broken) {
      const { status: got, text, asked } = await first(answer, way)
      t.same([got, text, new Set(asked).size], [200, 'well', 2], `${way.join(' ')} ${name}`)
    }
    for (const status of [200, 201, 301, 400, 401, 404, 409, 413, 422, 501, 505]) {
      const { status: got, text, asked } = await first((_request, response) => { response.writeHead(status).end('final') }, way)
      t.same([got, text, asked.length], [status, 'final', 1], `${way.join(' ')} ${status}`)
    }
  }
  t.ok(router.workers.list().every(worker => worker.inFlight === 0))
})
