// Whatever bytes a client sends, each request is refused with a 4xx or reaches the worker with exactly one meaning, and everybody else is served as before.
import t from 'tap'
import type { Test } from 'tap'
import { Conversation } from '../helpers/conversation.ts'
import { startRawWorker, valuesOf } from '../helpers/raw-worker.ts'
import type { RawWorker, Recorded } from '../helpers/raw-worker.ts'
import { until } from '../helpers/until.ts'
import { serve } from '../server/binary.ts'
import { cases } from './cases.ts'
import type { Case, Seen } from './cases.ts'

t.setTimeout(180_000)

/** Compares only when something is wrong: a hundred thousand assertions that hold say nothing. */
function differences ({ method, url, body, has = {}, lacks = [] }: Seen, request: Recorded | undefined, host: string): string[] {
  if (request === undefined) return ['nothing came']
  const wrong: string[] = []
  const check = (what: string, found: unknown, wanted: unknown): void => {
    if (JSON.stringify(found) !== JSON.stringify(wanted)) wrong.push(`${what}: ${JSON.stringify(found)?.slice(0, 200)} instead of ${JSON.stringify(wanted)?.slice(0, 200)}`)
  }
  check('method', request.method, method)
  check('target', request.url, url)
  check('body', request.body.toString('latin1'), body)
  check('host', valuesOf(request.rawHeaders, 'host'), [host])
  check('number of ids', valuesOf(request.rawHeaders, 'x-request-id').length, 1)
  check('framing', [valuesOf(request.rawHeaders, 'transfer-encoding'), valuesOf(request.rawHeaders, 'content-length')], [[], method === 'GET' ? [] : [String(body.length)]])
  for (const [name, value] of Object.entries(has)) check(name, valuesOf(request.rawHeaders, name), [value])
  for (const name of lacks) check(name, valuesOf(request.rawHeaders, name), [])
  return wrong
}

async function run (t: Test, port: number, worker: RawWorker, one: Case): Promise<void> {
  const { name, by, bytes, forwarded: meant = [], answers = meant.map(() => 200) } = one
  let forwarded = meant
  const label = `${name} (${by})`
  const wrong: string[] = []
  worker.requests.length = 0
  const client = new Conversation(port)
  client.say(bytes)
  if (one.ends === true) client.end()
  for (const [turn, wanted] of answers.entries()) {
    const answer = await client.answer(label)
    const statuses = [wanted].flat()
    if (one.mayBeRefused === true && answer?.status === 400) {
      forwarded = []
      break
    }
    if (answer === undefined || !statuses.includes(answer.status)) wrong.push(`answer ${turn}: ${answer?.status} instead of ${statuses.join(' or ')}`)
    if (answer === undefined || answer.status < 400) continue
    const { error } = JSON.parse(answer.body.toString()) as { error: { message: string, code: string } }
    if (typeof error.message !== 'string' || typeof error.code !== 'string') wrong.push(`no error object: ${answer.body.toString()}`)
    if (one.code !== undefined && turn === answers.length - 1 && error.code !== one.code) wrong.push(`code: ${error.code}`)
    if (/127\.0\.0\.1|node|llhttp|HPE_|FST_|stack/i.test(answer.body.toString())) wrong.push(`tells too much: ${answer.body.toString()}`)
  }

  // on the same connection, if there still is one, the next request gets its own answer and no other
  const next = `/next?${encodeURIComponent(name)}`
  if (one.unfinished !== true) {
    client.say(`GET ${next} HTTP/1.1\r\nHost: a\r\n\r\n`)
    const after = await client.answer(`the one after ${label}`)
    if (after !== undefined && after.body.toString() !== next) wrong.push(`the next request on the connection got ${after.status} ${after.body.toString()}`)
  }
  if (client.rest !== '') wrong.push(`more than was asked for: ${client.rest.slice(0, 200)}`)
  client.leave()

  const seen = worker.requests.filter(request => request.url !== next)
  if (seen.length !== forwarded.length) wrong.push(`the worker saw ${JSON.stringify(seen.map(({ method, url }) => `${method} ${url}`))}`)
  // pipelined requests may overtake each other on their way, as their answers may not
  for (const wanted of forwarded) wrong.push(...differences(wanted, seen.length === 1 ? seen[0] : seen.find(({ url }) => url === wanted.url), worker.host))

  // and so does everybody else
  const other = new Conversation(port)
  other.say(`POST /other HTTP/1.1\r\nHost: a\r\nContent-Length: ${name.length}\r\n\r\n${name}`)
  if ((await other.answer(`somebody else after ${label}`))?.body.toString() !== '/other') wrong.push('somebody else got another answer')
  other.leave()
  if (worker.requests.at(-1)?.body.toString() !== name) wrong.push('the worker read somebody else\'s request differently')
  t.same(wrong, [], label)
}

t.test('against the server', async t => {
  const worker = await startRawWorker(t, (request, response) => { response.end(request.url) })
  const running = await serve(t, '--worker-urls', worker.url, '--log-level', 'debug', '--access-log')
  await until('ready', async () => (await fetch(`${running.url}/readiness`)).ok)
  const port = Number(new URL(running.url).port)
  t.ok(cases.length >= 60, `${cases.length} cases`)
  t.equal(new Set(cases.map(({ name, by }) => name + by)).size, cases.length, 'each has a name of its own')
  for (const one of cases) await run(t, port, worker, one)
  t.same(worker.malformed, [], 'what the worker got was HTTP, always')
  t.equal(running.child.exitCode, null, 'the server lives')
  t.equal(running.stderr, '')
  t.same(running.stdout.split('\n').filter(line => /"level":[456]0/.test(line) && !line.includes('"msg":"response errored"')), [], 'and nothing of it is an error of the router')
})
