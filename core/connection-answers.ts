// Which answers are under way on a connection of HTTP/1: noted once for all who ask.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server } from 'node:net'
import type { Duplex } from 'node:stream'
import { http2Stream } from './reply.ts'
import { whenClosed } from './reply-end.ts'

const kAnswers: unique symbol = Symbol('vllm-router.answers')

type Connection = Duplex & { [kAnswers]?: ServerResponse[] }

const watched = new WeakSet<Server>()
const none: readonly ServerResponse[] = []

/** Notes the answers of a server from now on; however often it is called, once. */
export function watchAnswers (server: Server): void {
  if (watched.has(server)) return
  watched.add(server)
  // before Fastify's own listener, which may answer at once
  server.prependListener('request', noteAnswer)
}

/** Notes an answer to a request that no `request` event was for. */
export function noteAnswer (request: IncomingMessage, answer: ServerResponse): void {
  // over HTTP/2 an answer has a stream of its own
  if (http2Stream(answer) !== undefined) return
  const socket: Connection = request.socket
  const answers = socket[kAnswers]
  if (answers === undefined) socket[kAnswers] = [answer]
  else answers.push(answer)
  whenClosed(answer, forget)
}

function forget (answer: ServerResponse): void {
  const answers = (answer.req.socket as Connection)[kAnswers] ?? []
  const at = answers.indexOf(answer)
  if (at !== -1) answers.splice(at, 1)
}

/** The answers on a connection that have not ended, oldest first: more than one where requests are pipelined. */
export function answersOn (socket: Duplex): readonly ServerResponse[] {
  return (socket as Connection)[kAnswers] ?? none
}
