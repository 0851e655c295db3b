// Two processes serve one port as one router: what one is told or knows holds for both, and the end of one is felt by its own clients only.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { chat } from '../helpers/client.ts'
import { call, connectHttp2, postHttp2 } from '../helpers/http2-client.ts'
import { startWorkers } from '../helpers/router.ts'
import { readSamples } from '../helpers/samples.ts'
import type { Samples } from '../helpers/samples.ts'
import { tlsFile } from '../helpers/tls.ts'
import { until } from '../helpers/until.ts'
import { run, serve } from './binary.ts'

t.setTimeout(180_000)

/** Starting three processes takes its time on a busy machine. */
const patience = 60_000

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly text: string
}

/** An answer under way. */
interface Open {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  text (): string
  readonly whole: Promise<string>
}

let serial = 0

/** One connection, and so one process. */
class Connection {
  readonly agent = new Agent({ keepAlive: true, maxSockets: 1 })
  private readonly url: string

  constructor (t: Test, url: string) {
    this.url = url
    t.teardown(() => this.agent.destroy())
  }

  open (method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Open> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body)
      const sent = request(this.url + path, {
        method, agent: this.agent, headers: { ...headers, ...(text === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }) }
      }, response => {
        let read = ''
        response.on('data', (chunk: Buffer) => { read += chunk.toString() })
        const whole = new Promise<string>((resolve, reject) => {
          response.once('end', () => resolve(read))
          response.once('error', reject)
        })
        whole.catch(() => {})
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text: () => read, whole })
      })
      sent.once('error', reject)
      sent.end(text)
    })
  }

  async ask (method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer> {
    const { status, headers: told, whole } = await this.open(method, path, body, headers)
    return { status, headers: told, text: await whole }
  }

  chat (content: string, more: object = {}, headers?: Readonly<Record<string, string>>): Promise<Open> {
    return this.open('POST', '/v1/chat/completions', chat(content, more), headers)
  }
}

/** Every test of the one fleet; they go on from what those before have left. */
t.test('a fleet of two processes', async fleet => {
  const workers = await startWorkers(fleet, 3, { interTokenLatencyMs: 10 })
  const [first, second, third] = workers.map(worker => worker.url)
  const folder = mkdtempSync(join(tmpdir(), 'vllm-router-'))
  fleet.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'router.yaml')
  const config = (policy: string, perWorker = 0): void => writeFileSync(file, `worker-urls: [${first}, ${second}]\npolicy: ${policy}\nmax-concurrent-requests: 5\nqueue-size: 0\nmax-concurrent-requests-per-worker: ${perWorker}\n`)
  config('cache_aware')
  const running = await serve(fleet, '--processes', '2', '--config', file, '--access-log')
  const { url } = running
  const metricsUrl = await until('the metrics', () => /metrics on (http[^\s"\\]+)/.exec(running.stdout)?.[1])
  const lines = (text: string): number => running.stdout.split('\n').filter(line => line.includes(text)).length
  const scrape = async (): Promise<Samples> => readSamples(await (await fetch(metricsUrl)).text())
  let sent = 0

  /** The process behind a connection, as the access log knows it. */
  async function processOf (connection: Connection): Promise<number> {
    const id = `who-${++serial}`
    sent++
    await connection.ask('POST', '/v1/chat/completions', chat('who', { max_tokens: 1 }), { 'x-request-id': id })
    return Number(await until('the log', () => {
      const line = running.stdout.split('\n').find(line => line.includes(`"reqId":"${id}"`) && line.endsWith('}'))
      return line === undefined ? undefined : (JSON.parse(line) as { pid: number }).pid
    }))
  }

  /** All processes have heard of all that was before. */
  async function heard (): Promise<void> {
    // who is scraped has reported first; a change waits until all have heard of it
    await scrape()
    const answer = await new Connection(fleet, url).ask('POST', '/remove_worker?url=http%3A%2F%2F127.0.0.1%3A1')
    fleet.equal(answer.status, 404)
  }

  let a = new Connection(fleet, url)
  let b = new Connection(fleet, url)
  let pids: number[] = []

  await fleet.test('ready, and both answer', async t => {
    t.equal((await a.ask('GET', '/readiness')).status, 200)
    t.equal((await b.ask('GET', '/readiness')).status, 200)
    pids = [await processOf(a), await processOf(b)]
    t.not(pids[0], pids[1])
    t.notOk(pids.includes(running.child.pid ?? 0), 'the first process serves nobody')
    t.equal(lines('listening on'), 1)
    t.equal(lines('"worker added"'), 2, 'once a worker')
  })

  await fleet.test('a worker added through one is there for both when the answer comes, and so is its removal', async t => {
    t.equal((await a.ask('POST', '/workers', { url: third, labels: { by: 'hand' } })).status, 200)
    for (const one of [a, b]) t.match((await one.ask('GET', '/workers')).text, `"url":"${third}"`)
    t.match((await b.ask('POST', `/add_worker?url=${encodeURIComponent(third ?? '')}`)).text, /"code":"duplicate_worker"|already/)
    t.equal((await b.ask('POST', '/workers', { url: 7 })).status, 400, 'what is wrong is refused as it is by one process')
    t.equal((await b.ask('DELETE', `/workers/${encodeURIComponent(third ?? '')}`)).status, 200)
    for (const one of [a, b]) t.notMatch((await one.ask('GET', '/workers')).text, `"url":"${third}"`)
  })

  await fleet.test('what is in flight in one is seen by the other', async t => {
    const inFlight = async (): Promise<Array<[number, number]>> => (JSON.parse((await b.ask('GET', '/workers')).text) as { workers: Array<{ in_flight: number, processed: number }> })
      .workers.map(worker => [worker.in_flight, worker.processed])
    const processed = (await inFlight()).reduce((sum, [, count]) => sum + count, 0)
    const stream = await a.chat('tell me', { stream: true, max_tokens: 10_000 })
    sent++
    await heard()
    t.same((await inFlight()).map(([count]) => count).sort(), [0, 1])
    t.equal((await inFlight()).reduce((sum, [, count]) => sum + count, 0), processed + 1)
    t.equal((await scrape()).sum('running_requests'), 1)
    a.agent.destroy()
    await stream.whole.catch(() => {})
    await until('the end is known', async () => (await scrape()).sum('running_requests') === 0)
    await heard()
    t.same((await inFlight()).map(([count]) => count), [0, 0])
    // another connection to the same process
    for (let next = new Connection(fleet, url); ; next = new Connection(fleet, url)) {
      a = next
      if (await processOf(a) === pids[0]) break
    }
  })

  await fleet.test('a conversation that one has sent to a worker goes there from the other', async t => {
    t.same([await processOf(a), await processOf(b)], pids)
    const decision = { 'x-vllm-router-explain': '1' }
    for (let i = 0; i < 4; i++) {
      const text = `${i} is what this long conversation is about. `.repeat(40)
      const one = await a.chat(text, {}, decision)
      await one.whole
      await heard()
      const other = await b.chat(text, {}, decision)
      await other.whole
      sent += 2
      t.match(String(other.headers['x-vllm-router-decision']), /prefix_hit/)
      const worker = /worker=(\S+?)[;, ]/
      t.equal(worker.exec(String(other.headers['x-vllm-router-decision']))?.[1] ?? 'none', worker.exec(String(one.headers['x-vllm-router-decision']))?.[1])
    }
    t.equal((await a.ask('POST', '/flush_cache')).status, 200)
    const again = await b.chat('0 is what this long conversation is about. '.repeat(40), {}, decision)
    await again.whole
    sent++
    t.match(String(again.headers['x-vllm-router-decision']), /prefix_miss/, 'both have forgotten')
  })

  await fleet.test('a response can be asked for through the other', async t => {
    t.same([await processOf(a), await processOf(b)], pids)
    for (let i = 0; i < 4; i++) {
      const made = await a.ask('POST', '/v1/responses', { model: 'simulated', input: 'a', max_output_tokens: 2 })
      sent += 2
      const { id } = JSON.parse(made.text) as { id: string }
      await heard()
      t.equal((await b.ask('GET', `/v1/responses/${id}`)).status, 200)
    }
  })

  await fleet.test('limits add up', async t => {
    const before = await scrape()
    const many = Array.from({ length: 12 }, () => new Connection(t, url))
    const answers = await Promise.all(many.map(one => one.chat('at once', { stream: true, max_tokens: 10_000 })))
    t.same(answers.map(({ status }) => status).sort(), [...Array<number>(5).fill(200), ...Array<number>(7).fill(answers.find(({ status }) => status !== 200)?.status ?? 0)])
    const full = await scrape()
    t.equal(full.sum('in_flight_requests'), 5)
    t.equal(full.sum('queue_rejections_total') - before.sum('queue_rejections_total'), 7)
    for (const one of many) one.agent.destroy()
    await until('all have ended', async () => (await scrape()).sum('in_flight_requests') === 0)
    sent += 12
  })

  await fleet.test('metrics add up', async t => {
    const page = await scrape()
    t.equal(page.sum('requests_total'), sent)
    t.equal(page.sum('request_duration_seconds_count'), sent)
    t.equal(page.sum('active_workers'), 2, 'facts about the fleet do not')
    t.same([...page.series].filter(name => name.startsWith('vllm_router_worker_health')).length, 2)
    t.equal(page.sum('discovery_updates_total', { source: 'static' }), 2)
    t.equal(page.sum('processes'), 2)
    t.equal(page.sum('prefixes_not_shared_total'), 0)
    t.equal(page.series.length, new Set(page.series).size)
  })

  await fleet.test('options change in both', async t => {
    config('round_robin')
    running.child.kill('SIGHUP')
    await until('the change', () => lines('options changed: --policy') === 1, 15_000)
    for (const one of [a, b]) t.match((await one.ask('GET', '/get_server_info')).text, /"policy":"round_robin"/)
    t.equal(lines('with the next start only'), 0)
  })

  await fleet.test('the bound on a worker is one for both', async t => {
    config('round_robin', 1)
    running.child.kill('SIGHUP')
    await until('the change', () => lines('options changed: --max-concurrent-requests-per-worker') === 1, 15_000)
    const held = new Connection(t, url)
    while (await processOf(held) !== pids[0]) held.agent.destroy()
    const more = new Connection(t, url)
    while (await processOf(more) !== pids[0]) more.agent.destroy()
    await heard()
    const streams = [await held.chat('a', { stream: true, max_tokens: 10_000 }), await more.chat('b', { stream: true, max_tokens: 10_000 })]
    await heard()
    const refused = await b.chat('c')
    await refused.whole
    sent += 3
    t.same([...streams.map(({ status }) => status), refused.status], [200, 200, 429])
    held.agent.destroy()
    await until('a place is free', async () => (await scrape()).sum('running_requests') === 1)
    await heard()
    const taken = await b.chat('d', { max_tokens: 1 })
    await taken.whole
    sent++
    t.equal(taken.status, 200)
    more.agent.destroy()
    config('round_robin')
    running.child.kill('SIGHUP')
    await until('the change', () => lines('options changed: --max-concurrent-requests-per-worker') === 2, 15_000)
    await until('all have ended', async () => (await scrape()).sum('running_requests') === 0)
  })

  await fleet.test('one that is killed is replaced: only its own clients notice, and counters do not go back', async t => {
    const stream = await b.chat('go on', { stream: true, max_tokens: 100 })
    sent++
    const before = await scrape()
    process.kill(pids[0] ?? 0, 'SIGKILL')
    const statuses = new Set<number>()
    await until('another', async () => {
      // each on a connection of its own
      statuses.add((await new Connection(t, url).ask('POST', '/v1/chat/completions', chat('now', { max_tokens: 1 }))).status)
      sent++
      const page = await scrape()
      for (const name of ['requests_total', 'processed_requests_total', 'completion_tokens_total', 'request_duration_seconds_bucket']) {
        t.ok(page.sum(name) >= before.sum(name), name)
      }
      return page.sum('processes') === 2
    }, patience)
    t.same([...statuses], [200])
    t.match(await stream.whole, /\[DONE\]\n\n$/)
    t.match(running.stdout, /a process was ended by SIGKILL; another takes its place/)
    const after = await scrape()
    t.equal(after.sum('process_restarts_total'), 1)
    t.equal(after.sum('requests_total'), sent, 'what it had told is kept')
    t.equal(after.sum('running_requests'), 0)
    // the new one knows what there is to know
    for (let next = new Connection(fleet, url); ; next = new Connection(fleet, url)) {
      a = next
      const pid = await processOf(a)
      if (pid !== pids[1]) {
        t.not(pid, pids[0])
        break
      }
    }
    t.match((await a.ask('GET', '/get_server_info')).text, /"policy":"round_robin"/)
    t.equal((await a.ask('GET', '/readiness')).status, 200)
    b = new Connection(fleet, url)
    while (await processOf(b) !== pids[1]) b = new Connection(fleet, url)
  })

  await fleet.test('a signal ends both, after their streams', async t => {
    const streams = [await a.chat('one', { stream: true, max_tokens: 60 }), await b.chat('two', { stream: true, max_tokens: 60 })]
    running.child.kill('SIGTERM')
    for (const { whole } of streams) t.match(await whole, /\[DONE\]\n\n$/)
    t.same(await running.ended, [0, null])
    t.equal(lines('shutting down"'), 1)
    t.equal(running.stderr, '')
    for (const pid of pids) t.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
  })
})

t.test('over TLS and HTTP/2, with a listener for the admin routes; the first process dies, and the others finish', async t => {
  const [worker] = await startWorkers(t, 1, { interTokenLatencyMs: 10 })
  const running = await serve(t, '--processes', '2', '--worker-urls', worker?.url ?? '', '--tls-cert', resolve(tlsFile('server')), '--tls-key', resolve(tlsFile('server-key')),
    '--admin-port', '0', '--admin-api-key', 'sekret')
  t.match(running.url, /^https:/)
  await until('the admin listener is told', () => /admin routes on https:\/\/127\.0\.0\.1:\d+"/.test(running.stdout))
  const sessions = [await connectHttp2(t, running.url), await connectHttp2(t, running.url)]
  const streams = sessions.map(session => postHttp2(session, '/v1/chat/completions', chat('a', { stream: true, max_tokens: 60 })))
  for (const [i, session] of sessions.entries()) {
    t.equal(session.alpnProtocol, 'h2')
    t.equal((await call(session, { ':path': '/readiness' }).answer).status, 200)
    await until('it streams', () => streams[i]?.text() !== '')
  }
  running.child.kill('SIGKILL')
  for (const { answer } of streams) {
    const { body, complete } = await answer
    t.match(body.toString(), /\[DONE\]\n\n$/)
    t.equal(complete, true)
  }
  // its pipes are closed when the last of its children has ended
  t.same(await running.ended, [null, 'SIGKILL'])
  t.notMatch(running.stdout, /sekret/)
})

t.test('what keeps them from starting is told once', async t => {
  const taken = createServer()
  await new Promise<void>(resolve => { taken.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { taken.close() })
  const { port } = taken.address() as AddressInfo
  const running = run(t, '--processes', '2', '--port', String(port), '--prometheus-port', '0')
  t.same(await running.ended, [1, null])
  t.match(running.stderr, new RegExp(`^vllm-router: 127\\.0\\.0\\.1 port ${port} is in use by another process; [^\\n]*\\n$`))
})
