// Clients cannot make series: neither by paths, nor by models, nor by methods.
import t from 'tap'
import { post } from '../helpers/client.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { samplesOf } from '../helpers/samples.ts'
import { until } from '../helpers/until.ts'

t.test('a scan of 200 paths adds no series', async t => {
  const workers = await startWorkers(t, 1)
  const { url, router } = await startRouter(t, { workerUrls: workers.map(worker => worker.url) })
  const visit = async (i: number): Promise<void> => {
    await (await fetch(`${url}/scan/${i}?q=${i}`)).text()
    await (await fetch(`${url}/v1/models/model-${i}`)).text()
    await (await fetch(`${url}/v1/responses/resp_${i}`)).text()
    await (await fetch(`${url}/workers/http%3A%2F%2Fnowhere%3A${i}`)).text()
    await (await post(url + '/v1/embeddings', { model: `model-${i}`, input: 'a' })).text()
  }
  await visit(0)
  const names = async (): Promise<string[]> => (await samplesOf(router)).series.filter(name => name.startsWith('vllm_router_')).sort()
  const before = await names()
  for (let i = 1; i <= 50; i++) await visit(i)
  t.same(await names(), before)
  t.ok((await samplesOf(router)).sum('requests_total') >= 51 * 4)
})

t.test('callers beyond the bound share a name', async t => {
  const [worker] = await startWorkers(t, 1)
  const { url, router } = await startRouter(t, {
    workerUrls: [worker?.url ?? ''], authCallerLabels: 3, authenticate: ({ headers }) => ({ name: String(headers['x-me']) })
  })
  const ask = async (me: string): Promise<void> => { await (await post(url + '/tokenize', { prompt: 'a' }, { 'x-me': me })).text() }
  for (let i = 0; i < 20; i++) await ask(`caller-${i}`)
  await ask('caller-1')
  await until('all are counted', async () => (await samplesOf(router)).sum('caller_requests_total') === 21)
  const samples = await samplesOf(router)
  t.same(['caller-0', 'caller-1', 'caller-2', 'caller-3', 'other'].map(caller => samples.sum('caller_requests_total', { caller })), [1, 2, 1, 0, 17])
})
