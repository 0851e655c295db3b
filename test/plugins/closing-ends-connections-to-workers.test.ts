// A closed router holds no connection to a worker, however long idle ones would be kept.
import t from 'tap'
import { post } from '../helpers/client.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

t.test('kept-alive connections of traffic and of health checks', async t => {
  const [worker] = await startWorkers(t, 1)
  const { url, app } = await startRouter(t, { workerUrls: [worker?.url ?? ''], poolIdleTimeoutSecs: 600 })
  await (await post(url + '/v1/completions', { model: 'simulated', prompt: 'a' })).text()
  const connections = async (): Promise<number> => await new Promise(resolve => worker?.app.server.getConnections((_error, count) => resolve(count)))
  t.ok(await connections() >= 2)
  await app.close()
  await until('the worker has no connection left', async () => await connections() === 0, 1000)
})
