// Keys are found whatever form they stand in, quickly however many there are, and an unknown one is hashed only once.
import t from 'tap'
import { KeyRing } from '../../auth/key-ring.ts'
import { formatKeyLine, parseKeyFile } from '../../auth/key-file.ts'
import { TokenDigest } from '../../auth/token-digest.ts'

class CountingDigest extends TokenDigest {
  count = 0

  override of (token: string | Uint8Array): string {
    this.count++
    return super.of(token)
  }
}

function ringOf (...lines: string[]): { digest: CountingDigest, find: (token: string) => string | undefined, ring: KeyRing } {
  const digest = new CountingDigest()
  const ring = new KeyRing(parseKeyFile(Buffer.from(lines.join('\n')), 'keys.txt'), digest)
  digest.count = 0
  return { digest, ring, find: token => ring.find(token, digest.of(token))?.name }
}

t.test('plain and hashed', async t => {
  const { find, ring } = ringOf('sk-plain name=p models=m', formatKeyLine('sk-hashed-0123456789', { name: 'h' }), formatKeyLine('sk-hashed-9876543210'), 'sk-nameless')
  t.equal(ring.size, 4)
  for (let round = 0; round < 2; round++) {
    t.equal(find('sk-plain'), 'p')
    t.equal(find('sk-hashed-0123456789'), 'h')
    t.match(find('sk-hashed-9876543210'), /^k-[0-9a-f]{8}$/)
    t.match(find('sk-nameless'), /^k-[0-9a-f]{8}$/)
    for (const stranger of ['sk-plai', 'sk-plain2', 'SK-PLAIN', '', 'sha256:00', formatKeyLine('sk-hashed-0123456789')]) t.equal(find(stranger), undefined)
  }
  const digest = new TokenDigest()
  const again = new KeyRing(parseKeyFile(Buffer.from('sk-plain name=p models=m'), 'keys.txt'), digest)
  t.same(again.find('sk-plain', digest.of('sk-plain')), { name: 'p', via: 'key', models: new Set(['m']) })
})

t.test('work does not grow with the keys, but with the salts, and only once for each token', async t => {
  const salt = 'ab'.repeat(16)
  const many = ringOf(...Array.from({ length: 3000 }, (_, i) => formatKeyLine(`sk-${i}`, { salt, name: `n${i}` })), 'sk-plain name=p', formatKeyLine('sk-other', { salt: 'cd'.repeat(16) }))
  const cost = (token: string): number => {
    const before = many.digest.count
    many.find(token)
    return many.digest.count - before
  }
  t.equal(cost('sk-plain'), 1)
  t.equal(cost('sk-2999'), 2, 'the token, and its hash with the first salt')
  t.equal(cost('sk-2999'), 1, 'it has been shown before')
  t.equal(cost('stranger'), 3, 'the token, and its hash with each salt')
  t.equal(cost('stranger'), 1)
  for (let i = 0; i < 10_000; i++) cost(`stranger ${i}`)
  t.equal(cost('stranger 9999'), 1)
  t.equal(cost('stranger'), 3, 'strangers are not remembered for ever')
})
