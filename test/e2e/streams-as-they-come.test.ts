// A stream reaches the client piece by piece: the worker sends each only after the client has told that it got the one before.
import type { ServerResponse } from 'node:http'
import t from 'tap'
import { open, requestBytes } from '../helpers/raw-client.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

t.test('piece by piece', async t => {
  const responses: ServerResponse[] = []
  const worker = await startRawWorker(t)
  const { port, router } = await startRouter(t, { workerUrls: [worker.url] })
  let heads = 0
  router.calls.on('head', () => { heads++ })
  for (const path of ['/v1/chat/completions', '/v1/responses', '/v1/responses/resp_1', '/any/path']) {
    for (const type of ['text/event-stream; charset=utf-8', 'application/x-ndjson', 'audio/wav']) {
      worker.answer = (_request, given) => {
        responses.push(given)
        given.writeHead(200, { 'content-type': type })
        given.flushHeaders()
      }
      heads = 0
      const { socket, text } = open(port, requestBytes({ path, body: '{}' }))
      await until(`${path} ${type}: the head is with the router`, () => heads === 1)
      const response = responses.pop()
      t.equal(text(), '', 'until the first byte another worker may answer')
      // pieces end where they like: within an event, a line, a character
      const pieces = ['da', 'ta: {"a"', ':1}\n', '\n', 'data: \xc3', '\xa4\n\nd', 'ata: [DONE]\n\n'].map((piece, at) => Buffer.from(`[${at + 1}]${piece}`, 'latin1'))
      for (const piece of pieces) {
        response?.write(piece)
        await until(`${path} ${type}: ${piece.toString('latin1')}`, () => text().includes(piece.toString('latin1')))
      }
      response?.end()
      await until('the end', () => text().endsWith('0\r\n\r\n'))
      t.pass(`${path} ${type}`)
      socket.destroy()
    }
  }
})
