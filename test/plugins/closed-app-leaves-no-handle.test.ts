// A process that embeds the router, serves a request and closes ends by itself.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { startWorkers } from '../helpers/router.ts'

const program = `
import { once } from 'node:events'
import { request } from 'node:http'
import Fastify from 'fastify'
const { default: vllmRouter } = await import(process.argv[1])
const app = Fastify()
await app.register(vllmRouter, {
  workerUrls: [process.argv[2], 'http://127.0.0.1:9'], policy: 'power_of_two', metricsListener: true, prometheusPort: 0, accessLog: true,
  adminPort: 0, apiKeyFile: process.argv[3]
})
const url = await app.listen({ host: '127.0.0.1', port: 0 })
while ((await app.inject('/readiness')).statusCode !== 200) await new Promise(resolve => setImmediate(resolve))
const call = request(url + '/v1/completions', { agent: false, method: 'POST', headers: { 'content-type': 'application/json' } })
call.end(JSON.stringify({ model: 'simulated', prompt: 'a', stream: true }))
const [response] = await once(call, 'response')
response.resume()
await once(response, 'end')
await app.close()
// a listener's handle is closed one turn after it said so
for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve))
const left = process.getActiveResourcesInfo().filter(name => !['PipeWrap', 'TTYWrap', 'TickObject'].includes(name))
process.stdout.write(JSON.stringify({ status: response.statusCode, left }))
`

t.test('nothing keeps the process alive', async t => {
  const [worker] = await startWorkers(t, 1)
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program, new URL('../../router.js', import.meta.url).href, worker?.url ?? '', `${t.testdir({ key: 'key' })}/key`], {
    stdio: ['ignore', 'pipe', 'inherit'], timeout: 20_000
  })
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  t.equal(code, 0, 'ended by itself, not by the time limit')
  const said = JSON.parse(output) as { status: number, left: string[] }
  t.equal(said.status, 200)
  t.same(said.left, [], 'no timer, listener or connection is left')
})
