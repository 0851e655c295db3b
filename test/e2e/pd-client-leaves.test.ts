// A client that leaves ends whichever leg of its request runs, at once; no other follows, nothing stays leased, no blocks are forgotten.
import t from 'tap'
import { open, requestBytes } from '../helpers/raw-client.ts'
import { startPools } from '../helpers/pools.ts'
import { samplesOf } from '../helpers/samples.ts'
import { until } from '../helpers/until.ts'
import { ShuttingDownError } from '../../core/errors.ts'

const request = (stream: boolean): Buffer => requestBytes({ path: '/v1/completions', headers: [['content-type', 'application/json']], body: `{"prompt":"a","stream":${stream}}` }, 'keep-alive')

t.test('a client that leaves', async t => {
  const { port, router, prefill: [prefill], decode: [decode], held } = await startPools(t, { prefills: 1, decodes: 1 })
  if (prefill === undefined || decode === undefined) throw new Error('no workers')
  const answers = [prefill.answer, decode.answer] as const
  const inFlight = (): number => router.workers.list().reduce((sum, worker) => sum + worker.inFlight, 0)
  let settled = 0
  router.calls.on('settled', () => { settled++ })

  for (const [name, streams, prefillHangs, decodes] of [
    ['while the prefill goes on', false, true, 'never'], ['while the prefill of a stream goes on', true, true, 'never'],
    ['before the decode worker answers', false, false, 'nothing'], ['within the stream', true, false, 'an event'], ['while a whole answer is held', false, false, 'half']
  ] as const) {
    const [before, asked] = [settled, [prefill.requests.length, decode.requests.length]]
    prefill.aborts = decode.aborts = 0
    prefill.answer = prefillHangs ? () => {} : answers[0]
    decode.answer = (_request, response) => {
      if (decodes === 'an event') response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
      if (decodes === 'half') response.writeHead(200, { 'content-type': 'application/json' }).write('{"half":')
    }
    const { socket, text } = open(port, request(streams))
    const worker = prefillHangs ? prefill : decode
    await until(`${name}: under way`, () => worker.requests.length === (asked[prefillHangs ? 0 : 1] ?? 0) + 1 && (decodes !== 'an event' || text().includes('data: 1')))
    t.equal(inFlight(), prefillHangs ? 2 : 1, `${name}: the decode worker is taken from the beginning`)
    const left = performance.now()
    socket.destroy()
    await until(`${name}: the worker knows`, () => worker.aborts === 1)
    t.ok(performance.now() - left < 200, `${name}: at once`)
    await until(`${name}: no lease`, () => inFlight() === 0)
    t.equal(settled - before, prefillHangs ? 1 : 2, `${name}: every call settled once`)
    t.equal(decode.requests.length - (asked[1] ?? 0), prefillHangs ? 0 : 1, `${name}: nothing follows`)
  }
  const leaked = (await samplesOf(router)).sum('pd_leaked_prefills_total')
  t.same([leaked, held.size], [2, 3], 'blocks nobody is known to have taken; of the stream that had begun they were')
})

t.test('the router ends', async t => {
  const { port, router, prefill: [prefill], decode: [decode] } = await startPools(t, { prefills: 1, decodes: 1 })
  if (prefill === undefined || decode === undefined) throw new Error('no workers')
  prefill.answer = () => {}
  const { text, closed } = open(port, request(false))
  await until('under way', () => prefill.requests.length === 1)
  router.deliveries.endAll()
  await until('answered', () => text().includes(new ShuttingDownError().message))
  t.match(text(), /^HTTP\/1\.1 503 /)
  await until('the worker knows', () => prefill.aborts === 1)
  await until('no lease', () => router.workers.list().every(worker => worker.inFlight === 0))
  t.equal(decode.requests.length, 0)
  void closed
})

t.test('a prefill worker is removed with what it has: another takes over', async t => {
  const { url, router, prefill } = await startPools(t, { prefills: 2, decodes: 1 })
  for (const worker of prefill) {
    const { answer } = worker
    worker.answer = (...args) => { if (worker.requests.length > 1 || prefill.reduce((sum, one) => sum + one.requests.length, 0) > 1) answer(...args) }
  }
  const answered = fetch(url + '/v1/completions', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"prompt":"a"}' })
  const busy = await until('one has it', () => prefill.find(worker => worker.requests.length === 1))
  t.equal((await fetch(`${url}/workers/${encodeURIComponent(busy.url)}?drain=false`, { method: 'DELETE' })).status, 200)
  t.equal((await answered).status, 200)
  await until('it is gone', () => router.workers.get(busy.url) === undefined)
})
