// What counts as a bearer token, and what as a JWT.
import t from 'tap'
import { bearerToken, looksLikeJwt } from '../../auth/bearer.ts'

const cases: ReadonlyArray<[headers: string[], token: string | undefined]> = [
  [[], undefined],
  [['Authorization', 'Bearer abc'], 'abc'],
  [['host', 'x', 'AUTHORIZATION', 'bEaReR   a.b-c_d~+/='], 'a.b-c_d~+/='],
  [['authorization', 'Bearer abc '], 'abc'],
  [['authorization', 'Bearer'], undefined],
  [['authorization', 'Bearer '], undefined],
  [['authorization', 'Bearer a b'], undefined],
  [['authorization', 'Bearer a\tb'], undefined],
  [['authorization', 'Bearer caf\u00e9'], undefined],
  [['authorization', 'Basic abc'], undefined],
  [['authorization', 'Bearerabc'], undefined],
  [['authorization', ''], undefined],
  [['x-authorization', 'Bearer abc'], undefined],
  [['authorization', 'Bearer abc', 'Authorization', 'Bearer other'], undefined],
  [['authorization', 'Bearer abc', 'Authorization', 'Bearer abc'], undefined],
  [['proxy-authorization', 'Bearer other', 'authorization', 'Bearer abc'], 'abc']
]

t.test('tokens', async t => {
  for (const [headers, token] of cases) t.equal(bearerToken(headers), token, headers.join(' '))
})

t.test('JWTs', async t => {
  for (const token of ['a.b.c', 'eyJ.eyJ.x-_']) t.ok(looksLikeJwt(token), token)
  for (const token of ['', 'a', 'a.b', '.b.c', 'a..c', 'a.b.', 'a.b.c.d', 'a.b.c.d.e', '..', 'abc..']) t.notOk(looksLikeJwt(token), token)
})
