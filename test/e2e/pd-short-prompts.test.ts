// A request of which the decode worker has most in its KV cache goes there alone; what the router believes of a worker ends with its process.
import t from 'tap'
import { post } from '../helpers/client.ts'
import { startPools } from '../helpers/pools.ts'
import type { Pools, PoolsOptions } from '../helpers/pools.ts'
import type { Answer } from '../helpers/raw-worker.ts'
import { samplesOf } from '../helpers/samples.ts'
import { until } from '../helpers/until.ts'

const words = (count: number, word = 'word'): string => Array.from({ length: count }, (_, i) => `${word}-${i}`).join(' ')

/** How many of some requests were split. */
async function split (pools: Pools, prompts: readonly string[]): Promise<number> {
  const before = pools.prefill.reduce((sum, worker) => sum + worker.requests.length, 0)
  for (const prompt of prompts) t.equal((await post(pools.url + '/v1/completions', { prompt })).status, 200)
  return pools.prefill.reduce((sum, worker) => sum + worker.requests.length, 0) - before
}

const one: PoolsOptions = { prefills: 1, decodes: 1, pdMinUncachedTokens: 256 }

t.test('short, long, long again, and grown', async t => {
  const pools = await startPools(t, one)
  const long = words(400)
  t.equal(await split(pools, ['short']), 0, 'a short prompt is not split')
  t.equal(await split(pools, [long]), 1, 'a long one is')
  t.equal(await split(pools, [long]), 0, 'the decode worker has it now')
  t.equal(await split(pools, [long + ' and a little more']), 0)
  t.equal(await split(pools, [long + words(400, 'more')]), 1, 'much more')
  const samples = await samplesOf(pools.router)
  t.same(['split', 'short'].map(reason => samples.sum('pd_prefill_decisions_total', { reason })), [2, 3])
  t.equal((await post(`${pools.url}/flush_cache`, {})).ok, true)
  t.equal(await split(pools, [long]), 1, 'all is forgotten when somebody says so')
})

t.test('always, when nothing is too little', async t => {
  const pools = await startPools(t, { ...one, pdMinUncachedTokens: 0 })
  t.equal(await split(pools, ['short', 'short']), 2)
  pools.router.disaggregation.configure({ pdMinUncachedTokens: 1000 })
  t.equal(await split(pools, ['short']), 0, 'and changed while it runs')
})

t.test('counted against the decode worker chosen', async t => {
  const pools = await startPools(t, { ...one, decodes: 2, decodePolicy: 'round_robin' })
  t.equal(await split(pools, [words(400), words(400)]), 2, 'the other one does not have it')
  t.equal(await split(pools, [words(400), words(400)]), 0)
})

t.test('a short prompt does not wait behind a long one, nor a long one for ever', async t => {
  const pools = await startPools(t, { ...one, prefills: 2, prefillPolicy: 'power_of_two', pdMinUncachedTokens: 10, pdMaxPrefillBacklog: 4 })
  const { backlog } = pools.router.disaggregation
  const releases: Array<() => void> = []
  for (const worker of pools.prefill) {
    const { answer } = worker
    worker.answer = (request, ...rest) => {
      if (request.body.includes('slow')) releases.push(() => answer(request, ...rest))
      else answer(request, ...rest)
    }
  }
  const slow = [words(400, 'slow'), words(400, 'slower')].map(prompt => post(pools.url + '/v1/completions', { prompt }))
  await until('both prefill workers have something to do', () => backlog.size === 2 && releases.length === 2)
  t.equal(await split(pools, [words(20, 'brief')]), 0)
  t.equal(await split(pools, [words(400, 'other')]), 1, 'a long one is worth the wait')
  pools.router.disaggregation.configure({ pdMaxPrefillBacklog: 0 })
  t.equal(await split(pools, [words(20, 'concise')]), 1, 'or all are, where somebody says so')
  pools.router.disaggregation.configure({ pdMaxPrefillBacklog: 4 })
  t.equal(await split(pools, [words(20, 'terse')]), 0)
  for (const release of releases) release()
  t.same((await Promise.all(slow)).map(({ status }) => status), [200, 200])
  t.equal(backlog.size, 0, 'nothing stays behind')
  t.equal(await split(pools, [words(20, 'curt')]), 1)
  const samples = await samplesOf(pools.router)
  t.same(['split', 'busy'].map(reason => samples.sum('pd_prefill_decisions_total', { reason })), [5, 2])
})

t.test('a prefill that comes to nothing is nobody\'s burden', async t => {
  const pools = await startPools(t, { ...one, prefills: 2 })
  for (const [name, answer] of [
    ['failing', (_request, response) => { response.writeHead(500).end('oh') }], ['resetting', (_request, _response, socket) => { socket.resetAndDestroy() }]
  ] as ReadonlyArray<[string, Answer]>) {
    for (const worker of pools.prefill) worker.answer = answer
    t.equal((await post(pools.url + '/v1/completions', { prompt: words(400, name) })).status, 200)
    t.equal(pools.router.disaggregation.backlog.size, 0, name)
  }
})

t.test('a decode worker that restarts has nothing', async t => {
  const pools = await startPools(t, { ...one, healthCheckIntervalSecs: 0.05, healthFailureThreshold: 1 })
  const [worker] = pools.decode
  const { port } = worker?.server.address() as { port: number }
  t.equal(await split(pools, [words(400), words(400)]), 1)
  await worker?.close()
  await until('it is out', () => pools.router.workers.candidates('decode').workers.length === 0)
  await new Promise<void>(resolve => { worker?.server.listen(port, '127.0.0.1', resolve) })
  await until('it is back', () => pools.router.workers.candidates('decode').workers.length === 1)
  t.equal(await split(pools, [words(400), words(400)]), 1)
})

t.test('so short that nobody noticed but a request', async t => {
  const pools = await startPools(t, one)
  const [worker] = pools.decode
  t.equal(await split(pools, [words(400), words(400)]), 1)
  const answer = worker?.answer
  if (worker === undefined || answer === undefined) throw new Error('no worker')
  let resets = 0
  worker.answer = (...args) => {
    if (resets++ === 0) args[2].resetAndDestroy()
    else answer(...args)
  }
  t.equal(await split(pools, [words(400)]), 1, 'its connection broke: it may be another process')
})

t.test('tokens are counted as workers count them', async t => {
  const pools = await startPools(t, one)
  for (const worker of pools.prefill) {
    const { answer } = worker
    // one token a byte
    worker.answer = (request, response, socket) => {
      const whole = response.end.bind(response) as (text: string) => typeof response
      response.end = ((text: string) => whole(text.replace('"prompt_tokens":40', `"prompt_tokens":${request.body.length}`))) as typeof response.end
      answer(request, response, socket)
    }
  }
  t.equal(await split(pools, ['a'.repeat(600)]), 0, '150 tokens at four bytes each')
  t.equal(await split(pools, Array.from({ length: 60 }, (_, i) => `${i}`.repeat(2000))), 60)
  t.equal(await split(pools, ['b'.repeat(600)]), 1, '600 at one byte each')
})
