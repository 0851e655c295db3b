// Answers of workers as bytes, with what a client is to make of each: the model that parser and agent are held to.

/** One answer, good or bad. */
export interface Case {
  readonly name: string
  /** Latin-1. */
  readonly bytes: string
  /** Default GET. */
  readonly method?: string
  /** Default 200. */
  readonly status?: number
  readonly message?: string
  /** Flat. */
  readonly headers?: readonly string[]
  /** What came of the body; before a fault, too. */
  readonly body?: string
  /** Flat. */
  readonly trailers?: readonly string[]
  /** The code of the error that the answer ends with. */
  readonly fails?: string
  /** The answer is complete when the connection ends, and not before. */
  readonly untilClose?: boolean
  /** Bytes behind the answer. */
  readonly more?: boolean
  /** Undici takes it for something else. */
  readonly unlikeUndici?: string
}

const ok = 'HTTP/1.1 200 OK\r\n'
const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`
const te = ['Transfer-Encoding', 'chunked']
const every = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('')

export const cases: readonly Case[] = [
  { name: 'a length', bytes: `${ok}Content-Length: 5\r\n\r\nhello`, message: 'OK', headers: ['Content-Length', '5'], body: 'hello' },
  { name: 'no bytes', bytes: `${ok}Content-Length: 0\r\n\r\n`, headers: ['Content-Length', '0'] },
  { name: 'every byte', bytes: `${ok}content-length: 256\r\n\r\n${every}`, body: every },
  { name: 'case, order, repetition, space around values', bytes: `${ok}x-B:1\r\nX-A: \t 2 \t\r\nx-b:  3 4\r\nX-Empty:\r\nContent-Length:0\r\n\r\n`, headers: ['x-B', '1', 'X-A', '2', 'x-b', '3 4', 'X-Empty', '', 'Content-Length', '0'], unlikeUndici: 'it keeps space behind values' },
  { name: 'values beyond ASCII', bytes: `${ok}X-A: caf\xe9 \x80\xff\r\nContent-Length: 0\r\n\r\n`, headers: ['X-A', 'caf\xe9 \x80\xff', 'Content-Length', '0'] },
  { name: 'all that names may be made of', bytes: `${ok}aZ09!#$%&'*+-.^_\`|~: x\r\nContent-Length: 0\r\n\r\n`, headers: ["aZ09!#$%&'*+-.^_`|~", 'x', 'Content-Length', '0'] },
  { name: 'no words', bytes: 'HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n', message: '' },
  { name: 'neither words nor a space before them', bytes: 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n', message: '' },
  { name: 'no headers, no words', bytes: 'HTTP/1.1 204\r\n\r\n', status: 204, headers: [] },
  { name: 'words in UTF-8', bytes: 'HTTP/1.1 418 caf\xc3\xa9 \xe2\x98\x95\r\nContent-Length: 0\r\n\r\n', status: 418, message: 'caf\xe9 \u2615' },
  { name: 'a status nobody knows', bytes: 'HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n', status: 999, message: 'What' },
  { name: '204', bytes: 'HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n', status: 204, headers: ['X-A', '1'] },
  { name: '204 of length 0', bytes: 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n', status: 204 },
  { name: '204 with a length', bytes: 'HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc', fails: 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH', unlikeUndici: 'it tells of the head first' },
  { name: '304 with the length of what it is about', bytes: 'HTTP/1.1 304 Not Modified\r\nContent-Length: 30\r\nETag: "a"\r\n\r\n', status: 304, headers: ['Content-Length', '30', 'ETag', '"a"'], unlikeUndici: 'it takes the length for that of a body' },
  { name: 'HEAD', bytes: `${ok}Content-Length: 30\r\n\r\n`, method: 'HEAD' },
  { name: 'HEAD, chunked', bytes: chunked, method: 'HEAD', headers: te },
  { name: 'HEAD without framing', bytes: `${ok}X-A: 1\r\n\r\n`, method: 'HEAD', headers: ['X-A', '1'] },
  { name: 'one chunk', bytes: `${chunked}5\r\nhello\r\n0\r\n\r\n`, headers: te, body: 'hello' },
  { name: 'Chunked, as some write it', bytes: `${ok}transfer-encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`, body: 'hello' },
  { name: 'several chunks', bytes: `${chunked}1\r\na\r\nA\r\nbcdefghijk\r\n02\r\nlm\r\n000\r\n\r\n`, body: 'abcdefghijklm' },
  { name: 'chunks of every byte', bytes: `${chunked}100\r\n${every}\r\n100\r\n${every}\r\n0\r\n\r\n`, body: every + every },
  { name: 'a chunk that looks like chunks', bytes: `${chunked}7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n`, body: '0\r\n\r\n\r\n' },
  { name: 'no chunk', bytes: `${chunked}0\r\n\r\n` },
  { name: 'extensions', bytes: `${chunked}5;a=b;c="d e"\r\nhello\r\n0;last\r\n\r\n`, body: 'hello' },
  { name: 'trailers', bytes: `${chunked}1\r\na\r\n0\r\nX-A: 1\r\nx-b:2 \r\n\r\n`, body: 'a', trailers: ['X-A', '1', 'x-b', '2'], unlikeUndici: 'it keeps space behind values' },
  { name: 'interim answers', bytes: `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n${ok}Content-Length: 1\r\n\r\na`, headers: ['Content-Length', '1'], body: 'a' },
  { name: 'an interim answer with a length', bytes: `HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\n\r\n${ok}Content-Length: 1\r\n\r\na`, body: 'a', unlikeUndici: 'it remembers the length' },
  { name: 'until the end', bytes: `${ok}X-A: 1\r\n\r\nhello`, headers: ['X-A', '1'], body: 'hello', untilClose: true },
  { name: 'HTTP/1.0 until the end', bytes: 'HTTP/1.0 200 OK\r\n\r\nhello', headers: [], body: 'hello', untilClose: true },
  { name: 'HTTP/1.0 with a length', bytes: 'HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello', body: 'hello' },
  { name: 'an answer behind the answer', bytes: `${ok}Content-Length: 1\r\n\r\na${ok}Content-Length: 1\r\n\r\nb`, body: 'a', more: true },
  { name: 'an answer behind chunks', bytes: `${chunked}1\r\na\r\n0\r\n\r\nHTTP/1.1`, body: 'a', more: true },
  { name: 'a body of 204', bytes: 'HTTP/1.1 204 No Content\r\n\r\nabc', status: 204, more: true },
  { name: 'a body of HEAD', bytes: `${ok}Content-Length: 3\r\n\r\nabc`, method: 'HEAD', more: true },

  { name: '100', bytes: `HTTP/1.1 100 Continue\r\n\r\n${ok}Content-Length: 0\r\n\r\n`, fails: 'UND_ERR_SOCKET' },
  { name: '101', bytes: 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n', fails: 'UND_ERR_SOCKET' },
  { name: '101 without a protocol', bytes: 'HTTP/1.1 101 Switching Protocols\r\n\r\n', fails: 'UND_ERR_SOCKET', unlikeUndici: 'it fails by an assertion' },
  { name: 'another version', bytes: 'HTTP/2.0 200 OK\r\n\r\n', fails: 'HPE_INVALID', unlikeUndici: 'it takes it' },
  { name: 'an empty line first', bytes: `\r\n${ok}Content-Length: 0\r\n\r\n`, fails: 'HPE_INVALID', unlikeUndici: 'it passes over it' },
  ...[
    ['lengths that differ', `${ok}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`],
    ['lengths that agree', `${ok}Content-Length: 1\r\nContent-Length: 1\r\n\r\na`],
    ['a list of lengths', `${ok}Content-Length: 1, 1\r\n\r\na`],
    ['an empty length', `${ok}Content-Length:\r\n\r\n`],
    ['a length with a sign', `${ok}Content-Length: +1\r\n\r\na`],
    ['a length that is none', `${ok}Content-Length: 0x1\r\n\r\na`],
    ['a length beyond numbers', `${ok}Content-Length: 99999999999999999999\r\n\r\na`],
    ['a folded line', `${ok}X-A: 1\r\n 2\r\nContent-Length: 0\r\n\r\n`],
    ['a name with a space behind', `${ok}X-A : 1\r\n\r\n`],
    ['a name with a space before', `${ok} X-A: 1\r\n\r\n`],
    ['no name', `${ok}: 1\r\n\r\n`],
    ['no colon', `${ok}X-A\r\n\r\n`],
    ['NUL in a value', `${ok}X-A: a\0b\r\n\r\n`],
    ['DEL in a value', `${ok}X-A: a\x7fb\r\n\r\n`],
    ['CR in a value', `${ok}X-A: a\rb\r\n\r\n`],
    ['LF in a value', `${ok}X-A: a\nX-B: c\r\n\r\n`],
    ['lines that end in LF', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'],
    ['one line that ends in LF', `${ok}X-A: a\nContent-Length: 0\r\n\r\n`],
    ['a name beyond ASCII', `${ok}X-\xe9: 1\r\n\r\n`],
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['a version that is none', 'HTTP/1.10 200 OK\r\n\r\n'],
    ['lower case', 'http/1.1 200 OK\r\n\r\n'],
    ['two spaces before the status', 'HTTP/1.1  200 OK\r\n\r\n'],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
    ['a status below 100', 'HTTP/1.1 099 OK\r\n\r\n'],
    ['a request', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n']
  ].map(([name = '', bytes = '']) => ({ name, bytes, fails: 'HPE_INVALID' })),
  ...[
    ['chunks and a length', `${ok}Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n`],
    ['a length and chunks', `${ok}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['gzip, chunked', `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
    ['chunked twice', `${ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['chunked, and not last', `${ok}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`],
    ['gzip', `${ok}Transfer-Encoding: gzip\r\n\r\nabc`],
    ['identity', `${ok}Transfer-Encoding: identity\r\n\r\nabc`],
    ['an empty coding', `${ok}Transfer-Encoding:\r\n\r\nabc`]
  ].map(([name = '', bytes = '']) => ({ name, bytes, fails: 'WORKER_FRAMING' })),
  ...[
    ['a size that is none', 'x\r\n'],
    ['no size', '\r\n'],
    ['a size with a sign', '+1\r\na\r\n'],
    ['a size as code', '0x1\r\na\r\n'],
    ['a size with a space behind', '1 \r\na\r\n'],
    ['a size with a space before', ' 1\r\na\r\n'],
    ['a size that ends in LF', '1\na\r\n'],
    ['a size and CR alone', '1\ra'],
    ['a size beyond numbers', 'fffffffffffffffff\r\na'],
    ['an extension that ends in LF', '1;a\na\r\n'],
    ['NUL in an extension', '1;\0\r\na\r\n'],
    ['an extension without end', `1;${'a'.repeat(5000)}`]
  ].map(([name = '', bytes = '']) => ({ name, bytes: `${chunked}2\r\nok\r\n${bytes}`, body: 'ok', fails: 'HPE_INVALID' })),
  { name: 'a chunk longer than its size', bytes: `${chunked}2\r\nokx\r\n0\r\n\r\n`, body: 'ok', fails: 'HPE_INVALID' },
  { name: 'a chunk that ends in LF', bytes: `${chunked}2\r\nok\n0\r\n\r\n`, body: 'ok', fails: 'HPE_INVALID' },
  { name: 'a trailer that is none', bytes: `${chunked}2\r\nok\r\n0\r\nX-A\r\n\r\n`, body: 'ok', fails: 'HPE_INVALID' },
  { name: 'a folded trailer', bytes: `${chunked}2\r\nok\r\n0\r\nX-A: 1\r\n 2\r\n\r\n`, body: 'ok', fails: 'HPE_INVALID' },
  { name: 'trailers that end in LF', bytes: `${chunked}2\r\nok\r\n0\r\nX-A: 1\n\n`, body: 'ok', fails: 'HPE_INVALID' },
  { name: 'a head that is too long', bytes: `${ok}X-A: ${'a'.repeat(16_500)}\r\n\r\n`, fails: 'UND_ERR_HEADERS_OVERFLOW' },
  { name: 'a head without end', bytes: `${ok}${'X'.repeat(16_500)}`, fails: 'UND_ERR_HEADERS_OVERFLOW' },
  { name: 'trailers that are too long', bytes: `${chunked}2\r\nok\r\n0\r\nX-A: ${'a'.repeat(16_500)}\r\n\r\n`, body: 'ok', fails: 'UND_ERR_HEADERS_OVERFLOW' }
]
