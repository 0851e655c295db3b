// What a call through a real socket fails with is told apart, and the client gets the fitting error, without an address.
import type { Socket } from 'node:net'
import t from 'tap'
import { clientError, failureKind, isUnreachable } from '../../core/failure.ts'
import { ask, deadPort, get, rawWorker, router } from './wire.ts'

for (const [what, answer, kind, status] of [
  ['ends the connection', (socket: Socket) => { socket.destroy() }, 'reset', 502],
  ['resets the connection', (socket: Socket) => { socket.resetAndDestroy() }, 'reset', 502],
  ['speaks no HTTP', (socket: Socket) => { socket.write('SSH-2.0-OpenSSH_9.2\r\n\r\n') }, 'protocol', 502],
  ['is silent', () => {}, 'timeout', 504]
] as const) {
  t.test(`a worker that ${what}`, async t => {
    const worker = await rawWorker(t, answer)
    const { port, calls } = await router(t, worker.port, { headTimeoutMs: 50 })
    await ask(t, port, get)
    const error = calls[0]?.failure
    t.equal(failureKind(error), kind)
    t.equal(isUnreachable(error), false)
    const told = clientError(error, false)
    t.equal(told.statusCode, status)
    t.notMatch(told.message, /127\.0\.0\.1|\d{4}/)
    t.same([calls[0]?.exchange.end, calls[0]?.settled], ['failed', 1])
  })
}

t.test('a worker that is not there', async t => {
  const { port, calls } = await router(t, await deadPort())
  await ask(t, port, get)
  const error = calls[0]?.failure
  t.equal(failureKind(error), 'refused')
  t.equal(isUnreachable(error), true)
  t.equal(clientError(error, false).statusCode, 502)
})

t.test('errors by their codes', async t => {
  const coded = (code: string, cause?: Error): Error => Object.assign(new Error('test', { cause }), { code })
  t.equal(failureKind(coded('UND_ERR_CONNECT_TIMEOUT')), 'refused')
  t.equal(isUnreachable(coded('UND_ERR_CONNECT_TIMEOUT')), false, 'it may be there, and slow')
  t.equal(clientError(coded('UND_ERR_CONNECT_TIMEOUT'), false).statusCode, 504)
  t.equal(failureKind(new TypeError('fetch failed', { cause: coded('ECONNREFUSED') })), 'refused')
  t.equal(failureKind(new AggregateError([coded('ECONNREFUSED'), coded('ECONNREFUSED')])), 'refused')
  t.equal(failureKind(coded('UND_ERR_BODY_TIMEOUT')), 'timeout')
  t.equal(failureKind('no error at all'), 'reset')
  t.equal(clientError(coded('ECONNRESET'), true).message, 'The worker broke off before the answer was complete')
})
