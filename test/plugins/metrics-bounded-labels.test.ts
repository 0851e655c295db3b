// Clients cannot make series: neither by paths, nor by models, nor by methods.
import t from 'tap'
import { post } from '../helpers/client.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { samplesOf } from '../helpers/samples.ts'

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
