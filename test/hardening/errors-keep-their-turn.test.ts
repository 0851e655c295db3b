// What Node refuses by itself is answered in its turn: never into an answer that has begun, never before one that is due, and then the connection ends.
import type { ServerResponse } from 'node:http'
import t from 'tap'
import type { Test } from 'tap'
import { Conversation } from '../helpers/conversation.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import type { RawWorker } from '../helpers/raw-worker.ts'
import { until } from '../helpers/until.ts'
import { serve } from '../server/binary.ts'

t.setTimeout(60_000)

const slow = 'GET /slow HTTP/1.1\r\nHost: a\r\n\r\n'
const brokenBody = 'POST /v1/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nzz\r\n'
/** What is wrong, and how it is answered. */
const wrongs: ReadonlyArray<readonly [name: string, bytes: string, status: number, code: string]> = [
  ['babble', 'SSH-2.0-OpenSSH\r\n', 400, 'malformed_request'],
  ['a broken body', brokenBody, 400, 'malformed_request'],
  ['a broken body, and more of the kind', brokenBody.repeat(20), 400, 'malformed_request'],
  ['a head that is too large', `GET /x HTTP/1.1\r\nHost: a\r\nX-A: ${'a'.repeat(20_000)}`, 431, 'headers_too_large'],
  ['a chunk with too much behind its size', `POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;${'a'.repeat(20_000)}`, 413, 'chunk_extensions_too_large'],
  ['a head that never ends', 'GET /x HTTP/1.1\r\nHost: a\r\n', 408, 'client_header_timeout'],
  ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n', 405, 'method_not_allowed'],
  ['an odd expectation', 'GET /x HTTP/1.1\r\nHost: a\r\nExpect: a miracle\r\n\r\n', 417, 'expectation_failed']
]

/** The refusal comes, alone, in shape, and is the last thing on the connection. */
async function refused (t: Test, client: Conversation, status: number, code: string): Promise<void> {
  const answer = await client.answer('what is wrong')
  const { error } = JSON.parse(answer?.body.toString() ?? '{}') as { error: Record<string, unknown> }
  t.same([answer?.status, error['code'], Object.keys(error).sort()], [status, code, ['code', 'message', 'param', 'type']])
  t.match(answer?.headers.join(), /content-type,application\/json; charset=utf-8,.*connection,close/i)
  await until('the end', () => client.closed)
  t.equal(client.rest, '')
  client.leave()
}

t.test('behind another request', async t => {
  let held: ServerResponse | undefined
  const worker: RawWorker = await startRawWorker(t, (_request, response) => { held = response })
  const running = await serve(t, '--worker-urls', worker.url, '--client-header-timeout-secs', '0.4')
  await until('ready', async () => (await fetch(`${running.url}/readiness`)).ok)
  const port = Number(new URL(running.url).port)
  async function begin (): Promise<[Conversation, ServerResponse]> {
    held = undefined
    const client = new Conversation(port)
    client.say(slow)
    return [client, await until('the worker has it', () => held)]
  }

  for (const [name, bytes, status, code] of wrongs) {
    await t.test(name, async t => {
      const alone = new Conversation(port)
      alone.say(bytes)
      await refused(t, alone, status, code)

      const [client, answer] = await begin()
      client.say(bytes)
      // it is refused now, if ever
      await new Promise(resolve => setTimeout(resolve, status === 408 ? 900 : 50))
      t.equal(client.rest, '', 'not before the answer that is due')
      answer.end('the answer')
      t.same((await client.answer('the first request'))?.body.toString(), 'the answer')
      await refused(t, client, status, code)

      const [reader, stream] = await begin()
      stream.writeHead(200, { 'content-type': 'text/event-stream' })
      stream.write('data: 1\n\n')
      await until('the first event', () => reader.rest.includes('data: 1'))
      reader.say(bytes)
      await new Promise(resolve => setTimeout(resolve, status === 408 ? 900 : 50))
      stream.end('data: 2\n\n')
      t.same((await reader.answer('the stream'))?.body.toString(), 'data: 1\n\ndata: 2\n\n', 'not into a stream that has begun')
      await refused(t, reader, status, code)

      const [leaver] = await begin()
      const { aborts } = worker
      leaver.say(bytes)
      leaver.leave()
      await until('the worker stops for a client that is gone', () => worker.aborts === aborts + 1)
    })
  }
  t.equal(running.stderr, '')
  t.equal((await fetch(`${running.url}/readiness`)).status, 200)
})
