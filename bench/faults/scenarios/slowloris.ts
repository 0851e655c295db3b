// Clients that never finish their heads or bodies are cut off in time, and nobody else is.
import { flagsFor } from '../configuration.ts'
import { atMost } from '../figures.ts'
import { startFleet } from '../fleet.ts'
import { Load, tally } from '../load.ts'
import { open, post } from '../raw.ts'
import { startRouter } from '../router.ts'
import type { Scenario } from '../scenario.ts'
import { pause } from '../wait.ts'

const limitSecs = 1
/** Node looks after its connections at intervals; this much later than the limit is in time. */
const toleranceMs = 1500

/** Resolves with the milliseconds until the router ended the connection, and what it said. */
async function cut (url: string, begin: Buffer, drop: Buffer | undefined): Promise<{ after: number, answer: string }> {
  const socket = open(url)
  const began = performance.now()
  let answer = ''
  socket.on('data', chunk => { answer += chunk.toString('latin1') })
  socket.write(begin)
  const dripping = drop === undefined ? undefined : setInterval(() => socket.write(drop), 200)
  const patience = setTimeout(() => socket.destroy(), (limitSecs * 1000 + toleranceMs) * 2)
  return await new Promise(resolve => {
    socket.once('close', () => {
      clearInterval(dripping)
      clearTimeout(patience)
      resolve({ after: performance.now() - began, answer: answer.split('\r\n', 1)[0] ?? '' })
    })
  })
}

/** Slow heads and bodies beside a mixed load. */
export const slowloris: Scenario = async (scale, policy) => {
  const began = performance.now()
  const fleet = await startFleet(2)
  const router = await startRouter(fleet.urls, [
    ...flagsFor(scale.patience), '--policy', policy, '--client-header-timeout-secs', String(limitSecs), '--client-body-idle-timeout-secs', String(limitSecs)
  ])
  try {
    await router.ready(2)
    const load = new Load({ to: () => router.url, perSecond: scale.perSecond / 2 })
    const whole = post('/v1/chat/completions', JSON.stringify({ model: 'simulated', messages: [{ role: 'user', content: 'x'.repeat(500) }] }))
    const many = <T>(one: () => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: scale.slowlorises }, one))
    const [heads, bodies, whoSendsSteadily] = await Promise.all([
      // a header a fifth of a second, for ever
      many(() => cut(router.url, Buffer.from('POST /v1/chat/completions HTTP/1.1\r\nHost: router\r\n'), Buffer.from('X-More: yes\r\n'))),
      many(() => cut(router.url, whole.subarray(0, whole.length - 300), undefined)),
      // slow, but never silent for long: its body may take its time
      steady(router.url, whole)
    ])
    await pause(scale.calmMs)
    const all = tally(await load.stop())
    const latest = (cuts: ReadonlyArray<{ after: number }>): number => Math.max(...cuts.map(({ after }) => after)) / 1000
    const answers = (cuts: ReadonlyArray<{ answer: string }>): string => [...new Set(cuts.map(({ answer }) => answer))].join(', ')
    return {
      scenario: 'slowloris',
      policy,
      seconds: (performance.now() - began) / 1000,
      figures: {
        clients: `${scale.slowlorises} heads, ${scale.slowlorises} bodies`,
        'answer to heads': answers(heads),
        'answer to bodies': answers(bodies),
        ...(all.reasons === '' ? {} : { reasons: all.reasons })
      },
      bars: [
        atMost('last slow head cut', latest(heads), limitSecs + toleranceMs / 1000 * scale.patience, ' s', 2),
        atMost('last silent body cut', latest(bodies), limitSecs + toleranceMs / 1000 * scale.patience, ' s', 2),
        { name: 'a slow body that keeps coming', ok: whoSendsSteadily === 200, measured: String(whoSendsSteadily), wanted: '200' },
        atMost('others\' failed requests', all.refused + all.broken, 0)
      ]
    }
  } finally {
    await Promise.all([router.close(), fleet.close()])
  }
}

/** Sends a request in ten pieces over twice the limit; resolves with the status of the answer, 0 for none. */
async function steady (url: string, bytes: Buffer): Promise<number> {
  const socket = open(url)
  const answer = new Promise<string>(resolve => {
    socket.once('data', chunk => resolve(chunk.toString('latin1')))
    socket.once('close', () => resolve(''))
  })
  const head = bytes.indexOf('\r\n\r\n') + 4
  socket.write(bytes.subarray(0, head))
  const size = Math.ceil((bytes.length - head) / 10)
  for (let at = head; at < bytes.length; at += size) {
    await pause(limitSecs * 200)
    socket.write(bytes.subarray(at, at + size))
  }
  const patience = setTimeout(() => socket.destroy(), 5000)
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(await answer)?.[1] ?? 0)
  clearTimeout(patience)
  socket.destroy()
  return status
}
