// Nothing is tried twice with `disableRetries`, with one attempt allowed, or for what only one worker can answer.
import t from 'tap'
import { chat, post } from '../helpers/client.ts'
import { send } from '../helpers/raw-client.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'

t.test('switched off', async t => {
  for (const options of [{ disableRetries: true }, { retryMaxRetries: 1 }]) {
    const workers = [await startRawWorker(t), await startRawWorker(t)]
    const { port } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), ...options })
    const asked = (): number => workers.reduce((sum, { requests }) => sum + requests.length, 0)
    for (const path of ['/v1/chat/completions', '/tokenize']) {
      for (const worker of workers) worker.answer = (_request, response) => { response.writeHead(503).end('busy') }
      const before = asked()
      t.equal((await send(port, { path, body: '{}' })).body.toString(), 'busy')
      for (const worker of workers) worker.answer = (_request, _response, socket) => { socket.resetAndDestroy() }
      t.equal((await send(port, { path, body: '{}' })).status, 502)
      t.equal(asked() - before, 2)
    }
  }
})

t.test('a stored response is asked of its worker only', async t => {
  const workers = await startWorkers(t, 3)
  const { url } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), policy: 'round_robin' })
  const { id } = await (await post(url + '/v1/responses', { model: 'simulated', input: 'a', max_output_tokens: 2 })).json() as { id: string }
  t.equal((await fetch(`${url}/v1/responses/${id}`)).status, 200)
  for (const worker of workers) await worker.app.simulator.failures.set({ mode: 'status', status: 500, count: 1, path: '*' })
  t.equal((await fetch(`${url}/v1/responses/${id}`)).status, 500, 'its worker\'s own answer, and nobody\'s 404')
  t.equal(workers.filter(worker => worker.app.simulator.failures.current.mode === 'none').length, 1, 'one was asked')
  t.equal((await post(url + '/v1/chat/completions', chat('a'))).status, 200, 'others are tried again')
})
