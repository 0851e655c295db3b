// The key for workers may be the first line of a file: every leg gets the one that stands there now, and the old one while none can be read.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { startLogging } from '../helpers/log.ts'
import { send } from '../helpers/raw-client.ts'
import { startRawWorker, valuesOf } from '../helpers/raw-worker.ts'
import type { RawWorker } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

function keyFile (t: Test, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'vllm-router-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'key'), text)
  return join(folder, 'key')
}

const questions = ['/health', '/v1/models', '/metrics']

/** The keys of each question's last time, once every one was asked twice since: the first may have been on its way. */
async function keysOfQuestions (worker: RawWorker): Promise<string[]> {
  worker.questions.length = 0
  const asked = (path: string): RawWorker['questions'] => worker.questions.filter(({ url }) => url === path)
  await until('every question was asked', () => questions.every(path => asked(path).length > 1), 15_000)
  return [...new Set(questions.flatMap(path => valuesOf(asked(path).at(-1)?.rawHeaders ?? [], 'authorization')))]
}

t.test('traffic, health, models and metrics', async t => {
  const worker = await startRawWorker(t)
  const path = keyFile(t, '\ufeff  sekret-1 \r\nnotes: nobody reads on\n')
  const { url, text, lines, router } = await startLogging(t, 'debug', {
    workerUrls: [worker.url], apiKeyFile: path, policy: 'power_of_two', loadScrapeIntervalSecs: 0.05, healthCheckIntervalSecs: 0.05
  })
  const port = Number(new URL(url).port)
  async function keys (): Promise<string[]> {
    const seen = await keysOfQuestions(worker)
    for (const path of ['/v1/completions', '/tokenize']) {
      await send(port, { path, body: '{}' })
      seen.push(...valuesOf(worker.requests.pop()?.rawHeaders ?? [], 'authorization'))
    }
    return [...new Set(seen)]
  }
  t.same(await keys(), ['Bearer sekret-1'])

  writeFileSync(path + '~', 'sekret-2')
  renameSync(path + '~', path)
  await until('the change', () => lines('the key for workers changed').length === 1, 15_000)
  t.same(await keys(), ['Bearer sekret-2'])

  const stays = (why: string): number => lines(`the key for workers stays as it was: apiKeyFile takes a file whose first line is a key, not ${JSON.stringify(path)}: ${why}`).length
  for (const [content, why] of [['', 'it is empty'], ['\nsekret', 'its first line is empty'], ['sekret 3', 'the first line is not made of visible ASCII characters']] as const) {
    writeFileSync(path, content)
    await until(why, () => stays(why) === 1, 15_000)
  }
  rmSync(path)
  await until('it is missed', () => stays('there is no such file') === 1, 30_000)
  t.same(await keys(), ['Bearer sekret-2'], 'the old one stays')
  writeFileSync(path, 'sekret-4\n')
  await until('it is back', () => lines('the key for workers changed').length === 2, 15_000)
  t.same(await keys(), ['Bearer sekret-4'])
  t.notMatch(text(), /sekret/)

  router.upstream.configure({ apiKey: 'given', apiKeyFile: undefined })
  t.same(await keys(), ['Bearer given'], 'options may change, too')
  t.throws(() => router.upstream.configure({ apiKey: undefined, apiKeyFile: '/nowhere' }), /apiKeyFile takes .*there is no such file/)
  t.same(await keys(), ['Bearer given'])
})

t.test('a file that holds no key ends the start', async t => {
  for (const [path, why] of [['/nowhere', 'there is no such file'], [keyFile(t, ''), 'it is empty'], [keyFile(t, ' \nx'), 'its first line is empty']] as const) {
    await t.rejects(startRouter(t, { apiKeyFile: path }), { name: 'OptionFileError', message: `apiKeyFile takes a file whose first line is a key, not ${JSON.stringify(path)}: ${why}` })
  }
  await t.rejects(startRouter(t, { apiKeyFile: '/a', apiKey: 'b' }), { name: 'OptionsError', message: 'apiKeyFile takes the place of apiKey: give one of them' })
})
