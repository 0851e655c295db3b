// `vllm-router hash-key` makes a line that lets the key in and does not show it; the documented ways of making one do what they say.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { parseKeyFile } from '../../auth/key-file.ts'
import type { KeyLine } from '../../auth/key-file.ts'
import { KeyRing } from '../../auth/key-ring.ts'
import { TokenDigest } from '../../auth/token-digest.ts'
import { environment, untapped } from '../helpers/environment.ts'
import { server } from './binary.ts'

const key = 'sk-0123456789abcdef'

async function hashKey (args: readonly string[], input = ''): Promise<{ code: number, out: string, errors: string }> {
  const child = spawn(...untapped(process.execPath, [server, 'hash-key', ...args]), { env: environment })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [out, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return { code: code as number, out, errors }
}

function callerOf (lines: readonly KeyLine[], token: string): unknown {
  const digest = new TokenDigest()
  return new KeyRing(lines, digest).find(token, digest.of(token))
}

t.test('a key from standard input', async t => {
  const { code, out, errors } = await hashKey(['--name', 'team-a', '--models', 'm1,m2', 'm3'], key + '\n')
  t.same([code, errors], [0, ''])
  t.match(out, /^sha256:[0-9a-f]{32}:[0-9a-f]{64} name=team-a models=m1,m2,m3\n$/)
  t.same(callerOf(parseKeyFile(Buffer.from(out), 'x'), key), { name: 'team-a', via: 'key', models: new Set(['m1', 'm2', 'm3']) })
})

t.test('a new key, and a file that grows with one salt', async t => {
  const file = join(t.testdir(), 'keys.txt')
  const keys: string[] = []
  for (const name of ['a', 'b']) {
    const { code, out, errors } = await hashKey(['--generate', '--file', file, '--name', name])
    t.equal(code, 0)
    t.match(errors, /^sk-[\w-]{43}\n$/)
    keys.push(errors.trim())
    appendFileSync(file, out)
  }
  writeFileSync(file, readFileSync(file, 'utf8').trimEnd())
  appendFileSync(file, (await hashKey(['--file', file], key)).out)
  const lines = parseKeyFile(readFileSync(file), file)
  t.equal(lines.length, 3, 'a last line without its end is not run into')
  t.equal(new Set(lines.map(line => typeof line.secret === 'object' && line.secret.salt)).size, 1)
  t.match([...keys, key].map(one => callerOf(lines, one)), [{ name: 'a' }, { name: 'b' }, { name: /^k-/ }])
})

t.test('mistakes', async t => {
  const cases: ReadonlyArray<[args: string[], input: string, code: number, message: RegExp]> = [
    [[], '', 2, /standard input must bring an API key/],
    [[], 'a b', 2, /standard input must bring an API key/],
    [[], 'HUSH', 2, /an API key needs at least 16 characters/],
    [['--name', 'a b'], key, 2, /--name takes/],
    [['--models', 'a b'], key, 2, /--models takes/],
    [['--none-such'], key, 2, /unknown option/],
    [['--file', t.testdir({ bad: 'x y' }) + '/bad'], key, 1, /bad line 1: behind a key/]
  ]
  for (const [args, input, status, message] of cases) {
    const { code, out, errors } = await hashKey(args, input)
    t.same([code, out], [status, ''], args.join(' '))
    t.match(errors, message)
    t.notMatch(errors, /HUSH|sk-/)
  }
})

t.test('the commands in docs/auth.md', async t => {
  const folder = t.testdir({ bin: {} })
  writeFileSync(join(folder, 'bin', 'vllm-router'), `#!/bin/sh\nexec env -u NODE_OPTIONS ${process.execPath} ${server} "$@"\n`, { mode: 0o755 })
  const commands = [...readFileSync('docs/auth.md', 'utf8').matchAll(/^```sh keys\n([^]*?)^```$/gm)].map(([, command = '']) => command)
  t.equal(commands.length, 2)
  for (const command of commands) {
    const child = spawn('bash', ['-ec', command], { cwd: folder, env: { ...environment, PATH: `${folder}/bin:${environment['PATH'] ?? ''}` } })
    const [errors, [code]] = await Promise.all([text(child.stderr), once(child, 'close'), text(child.stdout)])
    t.equal(code, 0, errors)
  }
  const lines = parseKeyFile(readFileSync(join(folder, 'keys.txt')), 'keys.txt')
  t.match(lines, [{ name: 'team-a' }, { name: 'batch', models: new Set(['llama-3-8b']) }, { name: 'by-hand' }])
})
