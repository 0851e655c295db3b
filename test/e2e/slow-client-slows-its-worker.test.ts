// A client that reads nothing pauses its own worker, costs the router a bounded amount, and holds up nobody else.
import type { Socket } from 'node:net'
import t from 'tap'
import { open, requestBytes, send } from '../helpers/raw-client.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

const total = 64 * 1024 * 1024
const piece = Buffer.alloc(65_536, 'data: xxxxxxxx\n\n')

t.test('backpressure', async t => {
  const worker = await startRawWorker(t)
  const { port, app } = await startRouter(t, { workerUrls: [worker.url] })
  for (const path of ['/v1/chat/completions', '/v1/responses/resp_1', '/any/path']) {
    for (const type of ['text/event-stream', 'application/octet-stream']) {
      let sent = 0
      let downstream: Socket | undefined
      app.server.once('connection', socket => { downstream = socket })
      worker.answer = (_request, response) => {
        response.writeHead(200, { 'content-type': type })
        const more = (): void => {
          while (sent < total) {
            sent += piece.length
            if (!response.write(piece)) {
              response.once('drain', more)
              return
            }
          }
          response.end()
        }
        more()
      }
      const { socket } = open(port, requestBytes({ path, body: '{}' }))
      socket.pause()
      socket.setEncoding()
      let before = -1
      let quiet = 0
      await until('nothing moves any more', async () => {
        await new Promise(resolve => setTimeout(resolve, 10))
        quiet = sent > 0 && sent === before ? quiet + 1 : 0
        before = sent
        return quiet === 5
      })
      t.ok(sent < total / 2, `${path} ${type}: the worker is paused after ${sent} bytes`)
      t.ok((downstream?.writableLength ?? Infinity) < 1_048_576, 'the router holds little of it')

      worker.answer = (_request, response) => { response.end('quick') }
      t.equal((await send(port, { path, body: '{}' })).body.toString(), 'quick', 'another client is served meanwhile')

      let got = 0
      socket.removeAllListeners('data')
      socket.on('data', (chunk: Buffer | string) => { got += chunk.length })
      socket.resume()
      await until('all of it came in the end', () => got > total && sent >= total, 20_000)
      socket.destroy()
    }
  }
})
