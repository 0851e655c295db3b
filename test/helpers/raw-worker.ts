// A worker that records what it gets byte for byte and answers what the test says, down to the bytes on its socket.
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Test } from 'tap'

/** One request as it arrived. */
export interface Recorded {
  readonly method: string
  /** Path and query as on the request line. */
  readonly url: string
  /** Names and values in turn, as on the wire. */
  readonly rawHeaders: readonly string[]
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** Answers one request; `socket` is there for bytes no HTTP library would send. */
export type Answer = (request: Recorded, response: ServerResponse, socket: Socket) => void

/** A worker under a test's hand. */
export interface RawWorker {
  readonly url: string
  readonly host: string
  readonly server: Server
  /** Traffic, oldest first. */
  readonly requests: Recorded[]
  /** The router's own questions. */
  readonly questions: Recorded[]
  /** What Node's strict parser could not read. */
  readonly malformed: Error[]
  /** Traffic connections closed before the answer was complete. */
  aborts: number
  models: string[]
  /** Where it is below its origin, without a slash at the end. */
  path: string
  /** Its metrics page. */
  metrics: string
  answer: Answer
  /** Called for each request of traffic before its body is read. */
  arriving: (request: IncomingMessage) => void
  close (): Promise<void>
}

const ownPaths = new Set(['/health', '/v1/models', '/metrics'])

/** Answers with bytes as they are and ends the connection. */
export function bytes (text: string | Buffer): Answer {
  return (_request, _response, socket) => { socket.end(text) }
}

/** Starts a worker on a free port that ends with the test. */
export async function startRawWorker (t: Test, answer: Answer = (_request, response) => { response.end('{}') }): Promise<RawWorker> {
  const server = createServer({ keepAliveTimeout: 30_000, requireHostHeader: false })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address() as AddressInfo
  const worker: RawWorker = {
    url: `http://127.0.0.1:${port}`,
    host: `127.0.0.1:${port}`,
    server,
    requests: [],
    questions: [],
    malformed: [],
    aborts: 0,
    models: ['raw'],
    path: '',
    metrics: '',
    answer,
    arriving () {},
    close: () => new Promise(resolve => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  }
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code !== 'ECONNRESET') worker.malformed.push(error)
    socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
  })
  server.on('request', (request, response) => {
    const question = request.url?.startsWith(worker.path) === true ? request.url.slice(worker.path.length) : ''
    const own = request.method === 'GET' && ownPaths.has(question)
    if (!own) worker.arriving(request)
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => { chunks.push(chunk) })
    request.on('end', () => {
      const recorded = { method: request.method ?? '', url: request.url ?? '', rawHeaders: request.rawHeaders, headers: request.headers, body: Buffer.concat(chunks) }
      if (!own) {
        worker.requests.push(recorded)
        response.once('close', () => { if (!response.writableFinished) worker.aborts++ })
        worker.answer(recorded, response, request.socket)
        return
      }
      worker.questions.push(recorded)
      if (question === '/v1/models') response.setHeader('content-type', 'application/json')
      response.end(question === '/v1/models' ? JSON.stringify({ object: 'list', data: worker.models.map(id => ({ id, object: 'model' })) }) : question === '/metrics' ? worker.metrics : '')
    })
  })
  t.teardown(() => worker.close())
  return worker
}

/** All values of a header by lower-case name. */
export function valuesOf (flat: readonly string[], name: string): string[] {
  return flat.filter((_, at) => at % 2 === 1 && flat[at - 1]?.toLowerCase() === name)
}
