// A worker that left leaves nothing behind where requests are split: neither what it has in its cache nor how it pushes.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { post } from '../helpers/client.ts'
import { startPools } from '../helpers/pools.ts'
import { until } from '../helpers/until.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

t.test('nobody holds it any more', async t => {
  const pools = await startPools(t, { pdMinUncachedTokens: 10, policy: 'round_robin', disableRetries: true })
  const { workers } = pools.router
  const { answer } = pools.prefill[0] ?? {}
  if (answer === undefined) throw new Error('no worker')
  for (const worker of pools.prefill) {
    worker.answer = (_request, response) => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({
        usage: { prompt_tokens: 400 },
        kv_transfer_params: { do_remote_prefill: true, transfer_mode: 'push', remote_engine_id: 'e', remote_host: '10.0.0.1', remote_port: 5600, tp_size: 1 }
      }))
    }
  }
  for (const worker of pools.decode) worker.answer = (_request, response) => { response.end('{}') }
  for (let i = 0; i < 4; i++) await (await post(pools.url + '/v1/completions', { prompt: `${i} `.repeat(400) })).text()
  t.same(pools.prefill.map(({ requests }) => requests.length), [2, 2])
  const refs = workers.list().filter((_, at) => at % 2 === 0).map(worker => new WeakRef(worker))
  t.equal(refs.length, 2)
  for (const ref of refs) {
    const url = encodeURIComponent(ref.deref()?.url ?? '')
    await (await fetch(`${pools.url}/workers/${url}`, { method: 'DELETE' })).text()
  }
  await until('both left', () => workers.list().length === 2)
  // what knew of the last request does so until the next
  for (let i = 0; i < 4; i++) await (await post(pools.url + '/v1/completions', { prompt: `${i} again `.repeat(400) })).text()
  await until('they are garbage', () => {
    collect()
    return refs.every(ref => ref.deref() === undefined)
  }, 5000)
})
