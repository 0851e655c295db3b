// Two processes serve one port: a session has one worker whichever takes its requests, ends in both, and choices of both can be read.
import { Agent, request } from 'node:http'
import t from 'tap'
import { chat } from '../helpers/client.ts'
import { startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'
import { serve } from './binary.ts'

t.setTimeout(180_000)

interface Answer { readonly decision: Readonly<Record<string, string>>, readonly text: string }

/** Over a connection of its own, so that processes take turns. */
function ask (method: string, url: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body)
    const sent = request(url, { method, agent: new Agent(), headers: { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) } }, response => {
      let read = ''
      response.on('data', (chunk: Buffer) => { read += chunk.toString() })
      response.once('end', () => {
        const told = String(response.headers['x-vllm-router-decision'] ?? '')
        resolve({ decision: Object.fromEntries(told.split('; ').map(part => part.split('=') as [string, string])), text: read })
      })
    })
    sent.once('error', reject)
    sent.end(text)
  })
}

t.test('sticky_least_loaded in two processes', async t => {
  const workers = await startWorkers(t, 3)
  const running = await serve(t, '--processes', '2', '--policy', 'sticky_least_loaded', '--explain-decisions', '--worker-urls', ...workers.map(worker => worker.url))
  const { url } = running
  await until('ready', async () => (await fetch(`${url}/readiness`)).ok, 60_000)
  const turn = async (session: string, id: string): Promise<Answer> =>
    await ask('POST', url + '/v1/chat/completions', chat('hello', { max_tokens: 1 }), { 'x-session-id': session, 'x-request-id': id })

  const sessions = Array.from({ length: 6 }, (_, i) => `s${i}`)
  const homes = new Map<string, string>()
  for (const session of sessions) homes.set(session, (await turn(session, 'first')).decision['worker'] ?? '')
  t.ok(new Set(homes.values()).size > 1)
  // what one process knows the other hears a moment later
  await until('both know all sessions', async () => {
    const answers = await Promise.all(sessions.flatMap(session => [turn(session, 'again'), turn(session, 'again')]))
    return answers.every(({ decision }) => decision['reason'] === 'header')
  }, 30_000)
  for (let i = 0; i < 4; i++) {
    const seen = await Promise.all(sessions.map(session => turn(session, 'later')))
    t.ok(seen.every(({ decision }) => decision['reason'] === 'header'))
  }
  const rounds = await Promise.all([1, 2, 3, 4].map(async () => await Promise.all(sessions.map(async session => (await turn(session, 'last')).decision['worker']))))
  for (const round of rounds) t.same(round, rounds[0])

  const page = JSON.parse((await ask('GET', `${url}/decisions?request_id=first`)).text) as { decisions: Array<{ time: string }>, kept: number, size: number }
  t.equal(page.decisions.length, 6, 'of both processes')
  t.equal(page.size, 2000)
  const times = page.decisions.map(({ time }) => time)
  t.same(times, [...times].sort().reverse(), 'newest first')
  t.equal((JSON.parse((await ask('GET', `${url}/decisions?limit=3`)).text) as { decisions: unknown[] }).decisions.length, 3)

  t.match(JSON.parse((await ask('POST', `${url}/finish_session?session_id=s0`)).text), { status: 'ok', session_id: 's0' })
  const after = [await turn('s0', 'x'), await turn('s1', 'x'), await turn('s1', 'x')]
  t.not(after[0]?.decision['reason'], 'header', 'it is over, whoever is asked')
  t.same(after.slice(1).map(({ decision }) => decision['reason']), ['header', 'header'])
})
