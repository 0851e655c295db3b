// However many want to hear of a reply's end, it has one listener; who asked last is told first, and nobody twice.
import { once } from 'node:events'
import { createServer, get } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { answersOn, watchAnswers } from '../../core/connection-answers.ts'
import { whenClosed } from '../../core/reply-end.ts'

t.test('the end of a reply', async t => {
  const told: number[] = []
  let answered: ServerResponse | undefined
  let underWay = 0
  const server = createServer((request, reply) => {
    answered = reply
    const before = reply.listenerCount('close')
    for (let who = 0; who < 20; who++) whenClosed(reply, () => told.push(who))
    t.equal(reply.listenerCount('close') - before, 0, 'who notes the answers of the server listens already')
    underWay = answersOn(request.socket).length
    reply.end('done')
  })
  watchAnswers(server)
  watchAnswers(server)
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  get({ host: '127.0.0.1', port: (server.address() as AddressInfo).port }, answer => answer.resume())
  const [socket] = await once(server, 'connection')
  await once(socket, 'close')
  t.same(told, Array.from({ length: 20 }, (_, at) => 19 - at))
  t.equal(underWay, 1, 'noted once')
  t.equal(answersOn(socket).length, 0)
  answered?.emit('close')
  t.equal(told.length, 20)
})
