// The worker tells what it was asked, byte for byte, and keeps no more of it than agreed.
import { createHash } from 'node:crypto'
import t from 'tap'
import { at, worker } from './worker.ts'

t.test('headers as they came, the digest of the body, the last few only', async t => {
  const { url, app } = await worker(t, { maxRecordedRequests: 3 })
  const body = ' {"messages":[ {"role":"user","content":"1e400 is 1.0"}], "max_tokens" :1, "x":1e400}'
  await (await fetch(`${url}/v1/chat/completions?a=1&a=2`, { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Two': 'b' }, body })).text()
  const seen = await (await fetch(`${url}/_simulator/requests`)).json() as unknown[]
  t.equal(seen.length, 1)
  t.match(seen[0], { method: 'POST', url: '/v1/chat/completions?a=1&a=2', bodySha256: createHash('sha256').update(body).digest('hex'), bodyBytes: body.length })
  const headers = at(seen[0], 'rawHeaders') as string[]
  t.equal(headers[headers.findIndex(name => name.toLowerCase() === 'x-two') + 1], 'b')
  for (const path of ['/nothing', '/health', '/version', '/load']) await (await fetch(url + path)).text()
  t.same(app.simulator.requests.map(request => request.url), ['/health', '/version', '/load'])
})
