// `npm run bench:auth`: how long the check of a token takes that is known already, from the request's headers to the caller.
import { randomBytes } from 'node:crypto'
import { Authenticator } from '../../auth/authenticator.ts'
import { bearerToken } from '../../auth/bearer.ts'
import { KeyRing } from '../../auth/key-ring.ts'
import { formatKeyLine, parseKeyFile } from '../../auth/key-file.ts'
import { TokenCheck } from '../../auth/token-check.ts'
import { systemClock } from '../../core/clock.ts'

const tokens = 10_000
const checks = 200_000
const limits = { ttlMs: 3_600_000, negativeTtlMs: 3_600_000, graceMs: 0, size: tokens, concurrent: 64, waitMs: 60_000 }

/** Headers of a request as a browser or a client library sends them, with its token. */
function headersWith (token: string): string[] {
  return [
    'Host', 'router.example:30000', 'User-Agent', 'OpenAI/Python 1.99.0', 'Accept', 'application/json', 'Accept-Encoding', 'gzip, deflate', 'Content-Type', 'application/json',
    'X-Stainless-Lang', 'python', 'X-Stainless-Arch', 'x64', 'X-Stainless-Retry-Count', '0', 'Authorization', `Bearer ${token}`, 'Content-Length', '512', 'Connection', 'keep-alive'
  ]
}

const newToken = (): string => `sk-${randomBytes(32).toString('base64url')}`

/** Checks random ones of `requests` and prints how long each took. */
function measure (name: string, authenticator: Authenticator, requests: readonly string[][], expected: (finding: unknown) => boolean): void {
  const times = new Float64Array(checks)
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < checks; i++) {
      const headers = requests[Math.floor(Math.random() * requests.length)] ?? []
      const before = process.hrtime.bigint()
      const token = bearerToken(headers)
      const finding = token === undefined ? undefined : authenticator.check(token)
      times[i] = Number(process.hrtime.bigint() - before) / 1000
      if (!expected(finding)) throw new Error(`${name}: not known already`)
    }
  }
  times.sort()
  const at = (share: number): string => (times[Math.floor(share * (checks - 1))] ?? 0).toFixed(1).padStart(7)
  process.stdout.write(`${name.padEnd(48)} p50 ${at(0.5)} µs   p99 ${at(0.99)} µs   p99.9 ${at(0.999)} µs\n`)
}

const isCaller = (finding: unknown): boolean => typeof finding === 'object' && finding !== null && 'name' in finding

const validated = new Authenticator()
validated.means.validation = new TokenCheck({
  clock: systemClock, limits: () => limits, ask: async token => token.startsWith('no') ? 'invalid' : { caller: { name: 'c', via: 'validation' } }
})
const known = Array.from({ length: tokens }, newToken)
const refused = Array.from({ length: tokens }, () => 'no' + newToken())
// a few at a time: more would not be asked about
for (const token of [...known, ...refused]) await validated.check(token)
measure(`validated, ${tokens} tokens in the cache`, validated, known.map(headersWith), isCaller)
measure(`refused, ${tokens} tokens in the cache`, validated, refused.map(headersWith), finding => finding === 'invalid')

const salt = randomBytes(16).toString('hex')
const keyed = new Authenticator()
const plain = Array.from({ length: tokens }, newToken)
const hashed = Array.from({ length: tokens }, newToken)
keyed.means.keys = new KeyRing(parseKeyFile(Buffer.from([...plain, ...hashed.map(key => formatKeyLine(key, { salt }))].join('\n')), 'keys'), keyed.digest)
for (const token of hashed) keyed.check(token)
measure(`static keys, ${tokens} plain of ${2 * tokens}`, keyed, plain.map(headersWith), isCaller)
measure(`static keys, ${tokens} hashed of ${2 * tokens}, shown before`, keyed, hashed.map(headersWith), isCaller)

const salts = Array.from({ length: 64 }, () => randomBytes(16).toString('hex'))
const worst = new Authenticator()
worst.means.keys = new KeyRing(parseKeyFile(Buffer.from(salts.map(salt => formatKeyLine(newToken(), { salt })).join('\n')), 'keys'), worst.digest)
measure('an unknown token, 64 salts (the worst file)', worst, Array.from({ length: checks }, () => headersWith(newToken())), finding => finding === 'invalid')
