// A body of 20 MB is read, recorded and answered at little cost: only the context's length of it is looked at.
import t from 'tap'
import { at, chat, post, worker } from './worker.ts'

t.test('20 MB', async t => {
  const { url, app } = await worker(t, { prefillRate: 1e9 })
  const before = process.cpuUsage()
  const response = await post(`${url}/v1/chat/completions`, chat('word '.repeat(4_000_000), { max_tokens: 4 }))
  t.equal(response.status, 200)
  t.equal(at(await response.json(), 'usage.total_tokens'), 32_768)
  const { user, system } = process.cpuUsage(before)
  t.ok(user + system < 3e6, `${user + system} µs of processor time, this client's included`)
  t.ok((app.simulator.requests[0]?.bodyBytes ?? 0) > 20_000_000)
})
