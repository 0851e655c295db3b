// `Retry-After` is read as seconds or as one of the three forms of a date, in UTC whatever the zone; anything else says nothing.
import t from 'tap'
import { retryAfterMs } from '../../core/retry.ts'

const now = Date.UTC(1994, 10, 6, 8, 49, 30)

for (const [value, expected] of [
  [undefined, undefined], ['', undefined], ['0', 0], ['7', 7000], [' 7 ', 7000], ['007', 7000], ['99999999999', 99_999_999_999_000],
  ['-7', undefined], ['1.5', undefined], ['7s', undefined], ['soon', undefined], ['5 apples', undefined], ['May', undefined], ['1e3', undefined],
  ['Sun, 06 Nov 1994 08:49:37 GMT', 7000], ['Sunday, 06-Nov-94 08:49:37 GMT', 7000], ['Sun Nov  6 08:49:37 1994', 7000],
  ['Sun, 06 Nov 1994 08:49:00 GMT', 0], ['Sun, 06 Nov 1994 08:49:37', undefined], ['1994-11-06T08:49:37Z', undefined], ['Sun, 99 Nov 1994 08:49:37 GMT', undefined]
] as const) {
  t.equal(retryAfterMs(value, now), expected, JSON.stringify(value))
}
