// Keys of a file let in; the file may change while the router runs, and a mistake in it changes nothing.
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import { formatKeyLine } from '../../auth/key-file.ts'
import { vllmRouter } from '../../router.ts'
import { startLogging } from '../helpers/log.ts'
import { until } from '../helpers/until.ts'
import { getAs, startValidator } from '../helpers/validator.ts'

const path = '/list_workers'

t.test('plain and hashed keys; others go to the next means', async t => {
  const file = join(t.testdir(), 'keys.txt')
  writeFileSync(file, `sk-plain name=team-a\n${formatKeyLine('sk-hashed-0123456789', { name: 'team-b' })}\n`)
  const validator = await startValidator(t, (token, response) => { response.writeHead(token === 'elsewhere' ? 200 : 401).end() })
  const { url, lines } = await startLogging(t, 'info', { apiKeysFile: file, apiKeyValidationUrls: [validator.url], accessLog: true })
  for (const [token, status] of [['sk-plain', 200], ['sk-hashed-0123456789', 200], ['elsewhere', 200], ['nobody', 401], ['SK-PLAIN', 401], [undefined, 401]] as const) {
    t.equal((await getAs(url + path, token)).status, status, String(token))
  }
  t.same(validator.asked, ['elsewhere', 'nobody', 'SK-PLAIN'], 'known keys are nobody else\'s business')
  await until('all is logged', () => lines('request').length === 6)
  t.match(lines('request').map(line => line['caller']), ['team-a', 'team-b', /^t-[0-9a-f]{8}$/, undefined, undefined, undefined])
  t.match(lines('request').map(line => line['failure']), [undefined, undefined, undefined, 'invalid_api_key', 'invalid_api_key', 'invalid_api_key'])
})

t.test('the file changes', async t => {
  const file = join(t.testdir(), 'keys.txt')
  const put = (text: string): void => {
    writeFileSync(file + '~', text)
    renameSync(file + '~', file)
  }
  put('sk-old name=a\n')
  const { url, lines, text } = await startLogging(t, 'info', { apiKeysFile: file })
  const status = async (token: string): Promise<number> => (await getAs(url + path, token)).status
  t.equal(await status('sk-old'), 200)
  t.equal(await status('sk-new'), 401)
  put('sk-new name=a\nsk-newer name=a')
  await until('the new key', async () => await status('sk-new') === 200, 15_000)
  t.equal(await status('sk-old'), 401)
  t.same(lines('API keys changed').map(line => line['keys']), [2])
  put('sk-new name=a\nsk-secret-mistake nme=a\n')
  await until('the refusal', () => /API keys not changed, the old ones stay: [^"]*keys\.txt line 2: behind a key/.test(text()), 15_000)
  t.equal(await status('sk-new'), 200)
  t.equal(await status('sk-secret-mistake'), 401)
  rmSync(file)
  put('')
  await until('no key', async () => await status('sk-new') === 401, 15_000)
  t.equal(lines('the file of API keys has no key').length, 1)
  put('sk-old name=a\n')
  await until('the old key', async () => await status('sk-old') === 200, 15_000)
  t.notMatch(text(), /sk-/)
})

t.test('a file that cannot be used ends the start, with file and line', async t => {
  const folder = t.testdir({ 'keys.txt': 'sk-fine\nHUSH nme=a\n' })
  const start = async (apiKeysFile: string): Promise<string> => {
    const app = Fastify()
    t.teardown(() => app.close())
    try {
      await app.register(vllmRouter, { apiKeysFile })
      return ''
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }
  t.equal(await start(join(folder, 'keys.txt')), `${join(folder, 'keys.txt')} line 2: behind a key may stand name=NAME and models=MODEL,MODEL`)
  t.equal(await start(join(folder, 'none.txt')), `the file of API keys ${join(folder, 'none.txt')} cannot be read (ENOENT)`)
  t.equal(await start(folder), `the file of API keys ${folder} cannot be read (EISDIR)`)
})
