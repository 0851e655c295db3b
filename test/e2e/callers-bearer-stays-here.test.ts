// The bearer a client showed the router stays here, and the worker gets the router's own key; unless it is to be forwarded.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { send } from '../helpers/raw-client.ts'
import { startRawWorker, valuesOf } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'

const paths = ['/v1/chat/completions', '/v1/responses', '/tokenize', '/any/path']

t.test('what the worker gets', async t => {
  const worker = await startRawWorker(t)
  const file = join(t.testdir(), 'keys.txt')
  writeFileSync(file, 'sk-client name=a\n')
  for (const [apiKey, forwardAuthorization, expected] of [
    [undefined, false, []],
    ['sk-worker', false, ['Bearer sk-worker']],
    [undefined, true, ['Bearer sk-client']],
    ['sk-worker', true, ['Bearer sk-client']]
  ] as const) {
    const { port, router } = await startRouter(t, { workerUrls: [worker.url], apiKeysFile: file, apiKey, forwardAuthorization, authExemptPaths: ['/open'] })
    const got = async (path: string, ...headers: Array<readonly [string, string]>): Promise<readonly string[]> => {
      t.equal((await send(port, { path, body: '{}', headers })).status, 200)
      return worker.requests.pop()?.rawHeaders ?? []
    }
    for (const path of paths) {
      const raw = await got(path, ['X-Before', '1'], ['aUTHORIZATION', 'Bearer sk-client'], ['X-After', '2'])
      t.same(valuesOf(raw, 'authorization'), expected, path)
      t.same([valuesOf(raw, 'x-before'), valuesOf(raw, 'x-after')], [['1'], ['2']])
      if (!forwardAuthorization) t.notMatch(raw.join(), /sk-client/)
    }
    t.same(valuesOf(await got('/open', ['authorization', 'Bearer sk-others']), 'authorization'), ['Bearer sk-others'], 'what the router did not ask for goes on')
    router.forwarding.configure({ forwardAuthorization: !forwardAuthorization })
    t.same(valuesOf(await got('/any', ['authorization', 'Bearer sk-client']), 'authorization'), forwardAuthorization ? apiKey === undefined ? [] : [`Bearer ${apiKey}`] : ['Bearer sk-client'])
  }
})

t.test('two of them are one too many', async t => {
  const worker = await startRawWorker(t)
  const file = join(t.testdir(), 'keys.txt')
  writeFileSync(file, 'sk-client name=a\n')
  const { port } = await startRouter(t, { workerUrls: [worker.url], apiKeysFile: file, forwardAuthorization: true })
  for (const [first, second] of [['sk-client', 'sk-other'], ['sk-other', 'sk-client'], ['sk-client', 'sk-client']]) {
    const { status } = await send(port, { path: '/any', body: '{}', headers: [['authorization', `Bearer ${first}`], ['Authorization', `Bearer ${second}`]] })
    t.equal(status, 400)
  }
  t.equal(worker.requests.length, 0)
})
