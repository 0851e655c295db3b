// An answer that breaks off after its first byte ends with an in-stream error event where it is an event stream, and with a cut connection elsewhere; never as if it were complete.
import { connect } from 'node:net'
import t from 'tap'
import { parse, requestBytes, send } from '../helpers/raw-client.ts'
import type { Answer } from '../helpers/raw-worker.ts'
import { startRawWorker, valuesOf } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'

const paths = ['/v1/chat/completions', '/v1/responses', '/tokenize', '/v1/responses/resp_1', '/any/path']

/** Sends the beginning of an answer, then ends the connection. */
function broken (head: string, body: string, how: 'reset' | 'end'): Answer {
  return (_request, _response, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n${body}`, () => {
      setImmediate(() => how === 'reset' && body !== '' ? socket.resetAndDestroy() : socket.end())
    })
  }
}

/** Bytes as one chunk of a chunked answer. */
function chunk (text: string): string {
  return text === '' ? '' : `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
}

t.test('broken answers', async t => {
  const worker = await startRawWorker(t)
  const { port, router } = await startRouter(t, { workerUrls: [worker.url], disableRetries: true, disableCircuitBreaker: true })

  t.test('event streams', async t => {
    for (const path of paths) {
      for (const [body, between] of [['data: {"a":1}\n\n', ''], ['data: {"a":1}\n\ndata: {"b', '\n\n'], ['data: 1\r\n\r\n', ''], ['data: 1\n', '\n\n']] as const) {
        worker.answer = broken('Content-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n', chunk(body), 'end')
        const got = await send(port, { path, body: '{}', headers: [['x-request-id', 'id-1']] })
        t.equal(got.status, 200)
        t.equal(got.complete, true)
        const text = got.body.toString()
        t.ok(text.startsWith(`${body}${between}data: {"error":`), `${path}: ${JSON.stringify(text.slice(0, 60))}`)
        t.ok(text.endsWith('}\n\n'))
        const event = JSON.parse(text.slice(text.lastIndexOf('data: ') + 6)) as { error: { code: string } }
        t.equal(event.error.code, 'stream_broken')
        t.notMatch(text, /127\.0\.0\.1|ECONN|\[DONE\]/)
        t.same(valuesOf(got.headers, 'x-request-id'), ['id-1'])
      }
    }
  })

  t.test('event streams before their first byte: nothing of them has gone out', async t => {
    for (const path of paths) {
      worker.answer = broken('Content-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n', '', 'end')
      const got = await send(port, { path, body: '{}', headers: [['x-request-id', 'id-1']] })
      t.same([got.status, got.complete], [502, true], path)
      t.same([valuesOf(got.headers, 'content-type'), valuesOf(got.headers, 'x-request-id')], [['application/json; charset=utf-8'], ['id-1']])
      t.match(JSON.parse(got.body.toString()), { error: { code: 'worker_connection_failed' } })
      t.notMatch(got.body.toString(), /127\.0\.0\.1|ECONN/)
    }
  })

  t.test('event streams with no room for one more event', async t => {
    for (const path of paths) {
      for (const head of ['Content-Type: text/event-stream\r\nContent-Length: 1000\r\n', 'Content-Type: text/event-stream\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n']) {
        worker.answer = broken(head, head.includes('gzip') ? chunk('data: 1\n\n') : 'data: 1\n\n', 'end')
        const got = await send(port, { path, body: '{}' })
        t.same([got.status, got.complete], [200, false], path)
        t.notMatch(got.body.toString(), /error/)
      }
    }
  })

  t.test('anything else', async t => {
    for (const path of paths) {
      for (const [head, body] of [['Content-Length: 1000\r\n', '{"a":'], ['Transfer-Encoding: chunked\r\n', chunk('{"a":')], ['Content-Length: 1000\r\n', ''], ['Transfer-Encoding: chunked\r\n', '']] as const) {
        for (const how of ['reset', 'end'] as const) {
          worker.answer = broken(`Content-Type: application/json\r\n${head}`, body, how)
          const got = await send(port, { path, body: '{}' }).catch(() => undefined)
          if (got === undefined) t.pass('cut before the head was out')
          else t.ok(!got.complete || got.status === 502, `${path} ${head} ${how}`)
        }
      }
    }
  })

  t.test('to a client that knows the end of the answer only by that of the connection', async t => {
    for (const path of paths) {
      worker.answer = broken('Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n', chunk('{"a":'), 'end')
      const ended = await new Promise<string>(resolve => {
        const socket = connect(port, '127.0.0.1', () => { socket.write(requestBytes({ path, body: '{}' }).toString('latin1').replace('HTTP/1.1', 'HTTP/1.0')) })
        socket.on('data', () => {})
        socket.on('error', error => resolve(error.message))
        socket.on('end', () => resolve('as if complete'))
      })
      t.match(ended, /ECONNRESET/, path)
    }
  })

  t.equal(parse(Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n')).complete, false, 'the helper tells')
  t.equal(router.workers.list()[0]?.inFlight, 0)
})
