// SIGTERM lets a stream in flight finish and ends with 0; a second signal, or the end of the grace, ends at once.
import { setTimeout as after } from 'node:timers/promises'
import t from 'tap'
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

t.test('the grace ends', async t => {
  const [worker] = await startWorkers(t, 1, { interTokenLatencyMs: 50 })
  const running = await serve(t, '--worker-urls', worker?.url ?? '', '--shutdown-grace-secs', '0.1')
  await ready(running)
  const answer = await stream(running.url, 10_000)
  running.child.kill('SIGTERM')
  t.same(await Promise.race([running.ended, after(5000, 'still running', { ref: false })]), [1, null])
  await t.rejects(answer.text())
})
