// Answers what Node refuses before there is a request: malformed HTTP, heads that are too large or too slow, CONNECT, odd expectations.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { STATUS_CODES } from 'node:http'
import type { Server as SecureServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { answersOn, noteAnswer, watchAnswers } from '../core/connection-answers.ts'
import { http2Stream } from '../core/reply.ts'
import { errorType, openAiError } from '../openai/errors.ts'

interface Refusal {
  readonly status: number
  readonly code: string
  readonly message: string
  /** For 405. */
  readonly allow?: string
}

const malformed: Refusal = { status: 400, code: 'malformed_request', message: 'The request is not valid HTTP' }
const noTunnel: Refusal = { status: 405, code: 'method_not_allowed', message: 'CONNECT is not a method of this server', allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' }
const unexpected: Refusal = { status: 417, code: 'expectation_failed', message: 'Only 100-continue can be expected' }

/** By the codes of Node's errors; everything else is malformed. */
const refusals: ReadonlyMap<string | undefined, Refusal> = new Map([
  ['ERR_HTTP_REQUEST_TIMEOUT', { status: 408, code: 'client_header_timeout', message: 'The head of the request did not come in time' }],
  ['HPE_HEADER_OVERFLOW', { status: 431, code: 'headers_too_large', message: 'The head of the request is too large' }],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', { status: 413, code: 'chunk_extensions_too_large', message: 'The extensions of a chunk are too large' }]
])

/**
 * Milliseconds a client gets to read why it is refused and to close. A connection closed with unread bytes in it is reset, and the
 * answer lost.
 */
const lingerMs = 1000

/** The refusals of a process's servers. An answer that has begun on the connection is finished first; nothing is ever written into it. */
export class ClientErrors {
  /** Told once: what Node's parser makes of further bytes is of no interest. */
  private readonly refused = new WeakSet<Duplex>()

  /** Call it once for each server. */
  watch (server: Server | SecureServer): void {
    // by default Node drops what goes beyond 2,000 lines, so that nobody would look at it; the size of a head is limited all the same
    server.maxHeadersCount = 0
    server.on('clientError', this.handle)
    watchAnswers(server)
    server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
      noteAnswer(request, response)
      answer(response, unexpected)
    })
    server.on('connect', (_request: IncomingMessage, socket: Duplex | ServerResponse) => {
      // over HTTP/2 it is one stream of many, with an answer like any other
      if ('writeHead' in socket) {
        answer(socket, noTunnel)
        return
      }
      // Node has let go of the connection, its listener for errors included
      socket.on('error', () => {})
      socket.resume()
      this.refuse(socket, noTunnel)
    })
  }

  private readonly handle = (error: Error & { code?: string }, socket: Duplex): void => {
    if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy()
    else this.refuse(socket, refusals.get(error.code) ?? malformed)
  }

  private refuse (socket: Duplex, refusal: Refusal): void {
    if (this.refused.has(socket)) return
    this.refused.add(socket)
    // the error may be in the body of the last request, which then is the one refused, unless it has been answered
    const last = answersOn(socket).at(-1)
    const own = last?.req.complete === false ? last : undefined
    const due = (): ServerResponse | undefined => answersOn(socket).find(answer => answer !== own || own.headersSent)
    const proceed = (): void => {
      const first = due()
      if (first === undefined) end(socket, own?.headersSent === true ? '' : answerOf(refusal))
      // who has ended the connection waits for nothing any more, as elsewhere
      else if (socket.readableEnded) socket.destroy()
      else first.once('close', proceed)
    }
    socket.once('end', () => { if (due() !== undefined) socket.destroy() })
    proceed()
  }
}

function bodyOf ({ status, code, message }: Refusal): string {
  return JSON.stringify(openAiError(status, message, errorType(status), code))
}

function headersOf ({ allow }: Refusal, body: string): Record<string, string> {
  return {
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
    ...(allow === undefined ? {} : { allow })
  }
}

function answer (response: ServerResponse, refusal: Refusal): void {
  const body = bodyOf(refusal)
  const { connection, ...headers } = headersOf(refusal, body)
  response.writeHead(refusal.status, http2Stream(response) === undefined ? { ...headers, connection } : headers).end(body)
}

/** An answer as it goes over the wire. */
function answerOf (refusal: Refusal): string {
  const body = bodyOf(refusal)
  const lines = Object.entries(headersOf(refusal, body)).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? ''}\r\n${lines.join('')}\r\n${body}`
}

/** Ends a connection after these last words. */
function end (socket: Duplex, words: string): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  socket.end(words)
  const timer = setTimeout(() => socket.destroy(), lingerMs)
  timer.unref()
  socket.once('close', () => clearTimeout(timer))
}
