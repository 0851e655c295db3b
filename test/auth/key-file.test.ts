// The file of keys: what it may hold, what each mistake is called, and that no mistake shows a key.
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { KeyFileError, formatKeyLine, lastSalt, longestKeyFile, mostSalts, parseKeyFile } from '../../auth/key-file.ts'
import type { KeyLine } from '../../auth/key-file.ts'

const read = (text: string): KeyLine[] => parseKeyFile(Buffer.from(text), 'keys.txt')

function refusal (text: string | Buffer): string {
  try {
    parseKeyFile(Buffer.from(text as string), 'keys.txt')
  } catch (error) {
    if (error instanceof KeyFileError) return error.message
    throw error
  }
  return ''
}

const hash = (n: number): string => n.toString(16).padStart(64, '0')

t.test('forms', async t => {
  t.same(read(''), [])
  t.same(read('# a comment\n\n   \n\t# another\r\n'), [])
  t.same(read('\ufeffsk-one\r\nsk-two name=b\tmodels=m1,org/m-2:q4'), [
    { secret: 'sk-one', name: undefined, models: undefined },
    { secret: 'sk-two', name: 'b', models: new Set(['m1', 'org/m-2:q4']) }
  ])
  t.same(read(`  sha256:00112233445566778899aabbccddeeff:${hash(10).toUpperCase()}  models=a=b name=x=y \n`), [
    { secret: { salt: '00112233445566778899aabbccddeeff', hash: hash(10) }, name: 'x=y', models: new Set(['a=b']) }
  ])
  t.same(read('sk-one models=*'), [{ secret: 'sk-one', name: undefined, models: undefined }], '* is all models')
  t.same(read('sk-one name=a\nsk-two name=a').map(line => line.name), ['a', 'a'], 'a caller may have two keys, while he changes them')
})

t.test('mistakes name the line, and show nothing of it', async t => {
  const cases: ReadonlyArray<[text: string, message: string]> = [
    ['sk-1\n\n# x\nHUSH nme=a', 'keys.txt line 4: behind a key may stand name=NAME and models=MODEL,MODEL'],
    ['HUSH HUSH', 'keys.txt line 1: behind a key may stand name=NAME and models=MODEL,MODEL'],
    ['HUSH name=', 'keys.txt line 1: a name has 1 to 64 visible ASCII characters'],
    [`HUSH name=${'a'.repeat(65)}`, 'keys.txt line 1: a name has 1 to 64 visible ASCII characters'],
    ['HUSH name=caf\u00e9', 'keys.txt line 1: a name has 1 to 64 visible ASCII characters'],
    ['HUSH name=a name=b', 'keys.txt line 1: name= stands there twice'],
    ['HUSH models=', 'keys.txt line 1: models= takes names with commas between'],
    ['HUSH models=a,,b', 'keys.txt line 1: models= takes names with commas between'],
    ['HUSH\u00e9', 'keys.txt line 1: a key is made of visible ASCII characters'],
    ['HUSH\u0000', 'keys.txt line 1: a key is made of visible ASCII characters'],
    ['HUSH\nother\nHUSH name=b', 'keys.txt line 3: the same key stands in line 1'],
    [`sha256:${'0'.repeat(32)}:${hash(1)}\nsha256:${'0'.repeat(32)}:${hash(1)} name=b`, 'keys.txt line 2: the same key stands in line 1'],
    ...['sha256:', 'sha256:HUSH', `sha256:00:${hash(1)}`, `sha256:${'0'.repeat(33)}:${hash(1)}`, `sha256:${'0'.repeat(32)}:HUSH`, `sha256:${'0'.repeat(32)}:${hash(1)}0`, `sha256::${hash(1)}`]
      .map((line): [string, string] => [line, 'keys.txt line 1: a hash is written sha256:SALT:HASH, both in hexadecimal, the salt with 16 to 128 digits, the hash with 64'])
  ]
  for (const [text, message] of cases) t.equal(refusal(text), message)
  t.equal(refusal(Buffer.alloc(longestKeyFile + 1, 'a')), `keys.txt is longer than ${longestKeyFile} bytes`)
})

t.test('salts are few, because an unknown key is hashed with each', async t => {
  const lines = Array.from({ length: mostSalts }, (_, i) => `sha256:${i.toString(16).padStart(32, '0')}:${hash(1)}`)
  t.equal(read(lines.join('\n')).length, mostSalts)
  t.equal(refusal([...lines, `sha256:${'f'.repeat(32)}:${hash(1)}`].join('\n')), `keys.txt line ${mostSalts + 1}: more than ${mostSalts} different salts: lines may share one (vllm-router hash-key --file)`)
  const shared = Array.from({ length: 5000 }, (_, i) => `sha256:${'f'.repeat(32)}:${hash(i)}`)
  t.equal(read(shared.join('\n')).length, 5000)
})

t.test('a line made for a key is read as one, and its hash is what any tool computes', async t => {
  const key = fc.stringMatching(/^[!-~]{16,60}$/)
  const name = fc.stringMatching(/^[!-~]{1,64}$/)
  const model = fc.stringMatching(/^[!-+\--~]{1,20}$/).filter(model => model !== '*')
  t.doesNotThrow(() => fc.assert(fc.property(key, fc.option(name, { nil: undefined }), fc.uniqueArray(model, { maxLength: 4 }), (key, name, models) => {
    const [line, ...more] = read(formatKeyLine(key, { ...(name === undefined ? {} : { name }), models }))
    const secret = line?.secret
    if (typeof secret !== 'object') return false
    return more.length === 0 && line?.name === name && JSON.stringify([...line?.models ?? []]) === JSON.stringify(models) &&
      secret.hash === createHash('sha256').update(secret.salt + key).digest('hex')
  })))
  t.equal(formatKeyLine('key', { salt: 'ab'.repeat(8) }), 'sha256:abababababababab:' + createHash('sha256').update('abababababababab' + 'key').digest('hex'))
})

t.test('the salt of the last hash', async t => {
  const salt = (text: string): string | undefined => lastSalt(Buffer.from(text), 'keys.txt')
  t.equal(salt(''), undefined)
  t.equal(salt('sk-plain\n'), undefined)
  t.equal(salt(`sha256:${'a'.repeat(32)}:${hash(1)}\nsha256:${'b'.repeat(32)}:${hash(2)}\nsk-plain\n`), 'b'.repeat(32))
})
