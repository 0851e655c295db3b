// The server with authentication: a bad file of keys ends its start, a changed config file changes it, and taking the last means away does not open it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { until } from '../helpers/until.ts'
import { getAs, startValidator, status } from '../helpers/validator.ts'
import { run, serve } from './binary.ts'

t.setTimeout(60_000)

/** A folder beside the server's own. */
function folderOf (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'vllm-router-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

t.test('a malformed line is a start error of one line', async t => {
  const folder = folderOf(t)
  writeFileSync(join(folder, 'keys.txt'), 'sk-fine name=a\n# x\nHUSH HUSH\n')
  const running = run(t, '--port', '0', '--prometheus-port', '0', '--api-keys-file', join(folder, 'keys.txt'))
  const [code] = await running.ended
  t.equal(code, 1)
  t.equal(running.stderr, `vllm-router: ${folder}/keys.txt line 3: behind a key may stand name=NAME and models=MODEL,MODEL\n`)
})

t.test('changes while it runs', async t => {
  const [first, second] = [await startValidator(t), await startValidator(t, status(401))]
  const file = join(folderOf(t), 'router.yaml')
  writeFileSync(file, `api-key-validation-urls: ${first.url}\n`)
  const running = await serve(t, '--config', file)
  const ask = async (path: string, token?: string): Promise<number> => (await getAs(running.url + path, token)).status
  t.same([await ask('/workers'), await ask('/workers', 'a'), await ask('/health')], [401, 200, 200])
  writeFileSync(file, `api-key-validation-urls: ${second.url}\nauth-exempt-paths: [/liveness]\nforward-authorization: true\n`)
  await until('the change', () => running.stdout.includes('options changed: --api-key-validation-urls, --auth-exempt-paths, --forward-authorization'), 15_000)
  t.same([await ask('/workers', 'a'), await ask('/health'), await ask('/liveness')], [401, 401, 200])
  writeFileSync(file, 'auth-exempt-paths: [/liveness]\nforward-authorization: true\n')
  await until('the warning', () => running.stdout.includes('options that change with the next start only: --api-key-validation-urls'), 15_000)
  t.equal(await ask('/workers'), 401)
  await second.close()
  await until('it says that nobody answers', async () => await ask('/workers', 'b') === 503 && /the validation URL http:\/\/127\.0\.0\.1:\d+\/check fails: connect ECONNREFUSED/.test(running.stdout))
})
