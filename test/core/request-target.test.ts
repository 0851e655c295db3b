// What a request target says: plain paths pass untouched, and no trick makes a loose reader see what the router does not.
import fc from 'fast-check'
import t from 'tap'
import { isPlainPath, loosePath, originForm } from '../../core/request-target.ts'

t.test('the path and query of a target', async t => {
  for (const [target, form] of [
    ['/', '/'], ['/a?b', '/a?b'], ['/a?b#c', '/a?b#c'], ['//a/b', '//a/b'], ['http://h', '/'], ['http://h?a', '/?a'], ['HTTPS://h:1/a?b', '/a?b'], ['http://[::1]:1/a', '/a'], ['http://h:/a', '/a'],
    ['*', undefined], ['', undefined], ['a', undefined], ['*a', undefined], ['h:1', undefined], ['/a#b', undefined], ['http://h#/a', undefined], ['http://h/a#b', undefined],
    ['http://', undefined], ['http:///a', undefined], ['http://u@h/a', undefined], ['http://h\\a', undefined], ['http:/a', undefined], ['ftp://h/a', undefined], ['http://h:x/a', undefined]
  ] as const) t.equal(originForm(target), form, target)
})

t.test('paths as the least careful reader has them', async t => {
  for (const [path, loose] of [
    ['/a/b', '/a/b'], ['/a//b', '/a/b'], ['//a', '/a'], ['/a\\b', '/a/b'], ['/a%2Fb', '/a/b'], ['/a%5cb', '/a/b'], ['/%61', '/a'], ['/a%20b', '/a b'], ['/a/', '/a/'], ['/a..b', '/a..b'],
    ['/...', '/...'], ['/.a', '/.a'], ['/%252e%252e/a', '/%2e%2e/a'], ['/%C3%A4', '/ä'],
    ['/..', undefined], ['/../a', undefined], ['/a/.', undefined], ['/./a', undefined], ['/%2e%2e/a', undefined], ['/.%2E/a', undefined], ['/a%2f..', undefined], ['/a\\..\\b', undefined],
    ['/%00', undefined], ['/a%0d%0a', undefined], ['/%7f', undefined], ['/%', undefined], ['/%zz', undefined], ['/%E4', undefined]
  ] as const) {
    t.equal(loosePath(path), loose, path)
    if (loose !== path) t.equal(isPlainPath(path), false, path)
  }
})

const piece = fc.constantFrom('/', '/', 'a', 'workers', '.', '..', '%2e', '%2F', '%5c', '\\', '//', '%41', ';x', '~', 'v1', '%', '%00', ' ')

t.test('a plain path is its own loose one', async t => {
  fc.assert(fc.property(fc.array(piece, { maxLength: 12 }).map(pieces => '/' + pieces.join('')), path => {
    if (isPlainPath(path)) t.equal(loosePath(path), path)
  }), { numRuns: 2000 })
})

t.test('a loose path is where a parser of URLs ends up', async t => {
  fc.assert(fc.property(fc.array(piece, { maxLength: 12 }).map(pieces => '/' + pieces.join('')), path => {
    const loose = loosePath(path)
    if (loose === undefined) return
    // decoded once more there is nothing left for a parser of URLs to resolve
    const parsed = new URL('http://h' + loose.split('/').map(encodeURIComponent).join('/')).pathname
    t.equal(decodeURIComponent(parsed), loose)
  }), { numRuns: 2000 })
})

t.test('in time that grows with the length only', async t => {
  const begun = performance.now()
  for (const path of ['/'.repeat(100_000), '/.'.repeat(50_000), '/a'.repeat(50_000) + '%', '%2e'.repeat(33_000), 'http://' + 'a'.repeat(100_000), 'http://h' + ':'.repeat(100_000)]) {
    isPlainPath(path)
    loosePath(path)
    originForm(path)
  }
  t.ok(performance.now() - begun < 2000)
})
