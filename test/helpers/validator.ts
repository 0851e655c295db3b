// A service that says whether tokens are good, under a test's hand.
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

/** A started validator. */
export interface Validator {
  readonly url: string
  /** Tokens asked about, oldest first. */
  readonly asked: string[]
  /** Questions under way, and the most there ever were. */
  underWay: number
  most: number
  answer: (token: string, response: ServerResponse, request: IncomingMessage) => void
  close (): Promise<void>
}

/** Answers with a status. */
export function status (code: number): Validator['answer'] {
  return (_token, response) => { response.writeHead(code).end('{}') }
}

/** Never answers. */
export const silent: Validator['answer'] = () => {}

/** Starts a validator on a free port that ends with the test. */
export async function startValidator (t: Test, answer: Validator['answer'] = status(200)): Promise<Validator> {
  const server = createServer()
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const validator: Validator = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/check`,
    asked: [],
    underWay: 0,
    most: 0,
    answer,
    close: () => new Promise(resolve => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  }
  server.on('request', (request, response) => {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? 'none'
    validator.asked.push(request.method === 'GET' ? token : `${request.method} ${token}`)
    validator.most = Math.max(validator.most, ++validator.underWay)
    response.once('close', () => { validator.underWay-- })
    validator.answer(token, response, request)
  })
  t.teardown(() => validator.close())
  return validator
}

/** GETs with a bearer; the body is read. */
export async function getAs (url: string, token: string | undefined): Promise<{ status: number, headers: Headers, body: string }> {
  const response = await fetch(url, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } })
  return { status: response.status, headers: response.headers, body: await response.text() }
}
