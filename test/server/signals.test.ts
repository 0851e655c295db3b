// SIGTERM lets a stream in flight finish and ends with 0; a second signal, ends at once; the end of the grace ends streams with an error event.
import { setTimeout as after } from 'node:timers/promises'
import t from 'tap'
import { open } from '../helpers/raw-client.ts'
import { startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'
import { serve } from './binary.ts'
import type { Running } from './binary.ts'

// every test starts processes, which takes its time on a busy machine
t.setTimeout(120_000)

function stream (url: string, tokens: number): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'simulated', stream: true, max_tokens: tokens, messages: [{ role: 'user', content: 'Tell me a story' }] })
  })
}

async function ready (running: Running & { url: string }): Promise<void> {
  await until('ready', async () => (await fetch(`${running.url}/readiness`)).ok)
}

t.test('a stream in flight is finished', async t => {
  const [worker] = await startWorkers(t, 1, { interTokenLatencyMs: 20 })
  const running = await serve(t, '--worker-urls', worker?.url ?? '')
  await ready(running)
  const answer = await stream(running.url, 50)
  const reader = answer.body?.getReader()
  let text = Buffer.from((await reader?.read())?.value ?? []).toString()
  running.child.kill('SIGTERM')
  await until('the shutdown', () => running.stdout.includes('shutting down'))
  t.notMatch(text, /\[DONE\]/, 'the stream is under way')
  for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) text += Buffer.from(part.value).toString()
  t.match(text, /data: \[DONE\]\n\n$/)
  t.same(await running.ended, [0, null])
})

t.test('a second signal ends at once', async t => {
  const [worker] = await startWorkers(t, 1, { interTokenLatencyMs: 50 })
  const running = await serve(t, '--worker-urls', worker?.url ?? '')
  await ready(running)
  const answer = await stream(running.url, 10_000)
  running.child.kill('SIGTERM')
  await until('the shutdown', () => running.stdout.includes('shutting down'))
  running.child.kill('SIGTERM')
  t.same(await Promise.race([running.ended, after(5000, 'still running', { ref: false })]), [1, null])
  await t.rejects(answer.text())
})

t.test('the grace ends: the stream with an error event', async t => {
  const [worker] = await startWorkers(t, 1, { interTokenLatencyMs: 50 })
  const running = await serve(t, '--worker-urls', worker?.url ?? '', '--drain-timeout-secs', '0.1')
  await ready(running)
  const answer = await stream(running.url, 10_000)
  running.child.kill('SIGTERM')
  t.same(await Promise.race([running.ended, after(5000, 'still running', { ref: false })]), [1, null])
  const text = await answer.text()
  t.match(text, /data: \{"error":\{[^\n]*"code":"shutting_down"[^\n]*\}\}\n\n$/)
  t.notMatch(text, /\[DONE\]/)
})

t.test('readiness changes at once, requests are taken during the delay, and answers are the last on their connections', async t => {
  const [worker] = await startWorkers(t, 1, { interTokenLatencyMs: 10 })
  const running = await serve(t, '--worker-urls', worker?.url ?? '', '--drain-delay-secs', '1.5')
  await ready(running)
  t.not((await fetch(running.url + '/readiness')).headers.get('connection'), 'close')
  running.child.kill('SIGTERM')
  const told = await until('readiness', async () => {
    const answer = await fetch(running.url + '/readiness')
    return answer.ok ? undefined : { status: answer.status, connection: answer.headers.get('connection'), text: await answer.text() }
  })
  t.equal(told.status, 503)
  t.equal(told.connection, 'close')
  t.match(told.text, 'the router is shutting down')
  const answer = await stream(running.url, 20)
  t.equal(answer.status, 200, 'a request is taken')
  t.equal(answer.headers.get('connection'), 'close')
  t.match(await answer.text(), /\[DONE\]\n\n$/)
  t.same(await running.ended, [0, null])
  await t.rejects(fetch(running.url + '/liveness'))
})

t.test('half a head does not keep it: nobody waits for an answer', async t => {
  const running = await serve(t)
  const head = open(Number(new URL(running.url).port), Buffer.from('POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n'))
  t.teardown(() => head.socket.destroy())
  // the connection is there when an answer to a later one is
  await fetch(running.url + '/liveness')
  running.child.kill('SIGTERM')
  t.same(await Promise.race([running.ended, after(10_000, 'still running', { ref: false })]), [0, null])
})

t.test('half a body is answered when the grace ends', async t => {
  const [worker] = await startWorkers(t, 1)
  const running = await serve(t, '--worker-urls', worker?.url ?? '', '--drain-timeout-secs', '2')
  await ready(running)
  const port = Number(new URL(running.url).port)
  const body = open(port, Buffer.from('POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{'))
  t.teardown(() => body.socket.destroy())
  // the request is there when an answer to a later one is
  await fetch(running.url + '/liveness')
  running.child.kill('SIGTERM')
  t.same(await Promise.race([running.ended, after(10_000, 'still running', { ref: false })]), [1, null])
  t.match(body.text(), /^HTTP\/1\.1 503 [^]*"shutting_down"/)
})
