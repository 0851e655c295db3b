// Requests that are malformed, ambiguous or meant to deceive, and what is right for each. RFC 9110 and 9112 are named 9110 and 9112 here.

/** A request as the worker sees it. */
export interface Seen {
  readonly method: string
  readonly url: string
  readonly body: string
  /** Headers that must be there, with their only values. */
  readonly has?: Readonly<Record<string, string>>
  /** Headers that must not be there. */
  readonly lacks?: readonly string[]
}

export interface Case {
  readonly name: string
  /** Where it is said what is right. */
  readonly by: string
  /** What the client sends, in Latin-1. */
  readonly bytes: string
  /** Then the client ends its side of the connection. */
  readonly ends?: true
  /** What of it reaches the worker; nothing when left out. */
  readonly forwarded?: readonly Seen[]
  /** Statuses of the answers, in turn; the worker's is 200. Default: 200 for each request that is forwarded. */
  readonly answers?: ReadonlyArray<number | readonly number[]>
  /** It is right, but some versions of Node's parser refuse it, which does no harm. */
  readonly mayBeRefused?: true
  /** More of it is due, so that nothing else can be said on this connection. */
  readonly unfinished?: true
  /** `code` of the last answer's error object. */
  readonly code?: string
}

const target = '/v1/completions'
const json = '{"prompt":"a"}'

/** A POST of generation with these lines in its head and these bytes behind it. */
function post (lines: readonly string[], body = '', end = '\r\n'): string {
  return [`POST ${target} HTTP/1.1`, 'Host: router', 'Content-Type: application/json', ...lines, '', ''].join(end) + body
}

function get (path: string, ...lines: readonly string[]): string {
  return [`GET ${path} HTTP/1.1`, 'Host: router', ...lines, '', ''].join('\r\n')
}

function seen (body: string, more: Partial<Seen> = {}): Seen {
  return { method: 'POST', url: target, body, ...more }
}

function got (url: string, more: Partial<Seen> = {}): Seen {
  return { method: 'GET', url, body: '', ...more }
}

const length = `Content-Length: ${json.length}`
const chunked = 'Transfer-Encoding: chunked'
const chunks = `${json.length.toString(16)}\r\n${json}\r\n0\r\n\r\n`
/** What a smuggler hides behind a request. */
const hidden = 'GET /smuggled HTTP/1.1\r\nHost: router\r\n\r\n'

type Row = readonly [name: string, by: string, bytes: string, more?: Partial<Case>]

function refused (rows: readonly Row[], status: number | readonly number[] = 400): Case[] {
  return rows.map(([name, by, bytes, more]) => ({ name, by, bytes, answers: [status], ...more }))
}

function forwarded (rows: ReadonlyArray<readonly [name: string, by: string, bytes: string, forwarded: Seen | readonly Seen[], more?: Partial<Case>]>): Case[] {
  return rows.map(([name, by, bytes, forwarded, more]) => ({ name, by, bytes, forwarded: [forwarded].flat(), ...more }))
}

const framing = [
  ...refused([
    ['length and chunks', '9112 §6.1', post([length, chunked], chunks)],
    ['chunks and length', '9112 §6.1', post([chunked, 'Content-Length: 3'], `0\r\n\r\n${hidden}`)],
    ['a length of nothing and chunks', '9112 §6.1', post(['Content-Length: 0', chunked], chunks)],
    ['gzip, chunked, behind 2,100 lines', '9112 §6.1', post([...Array.from({ length: 2100 }, () => 'a:'), 'Transfer-Encoding: gzip, chunked'], chunks)],
    ['coding given twice', '9112 §6.1', post([chunked, chunked], chunks)],
    ['coding given twice, differently', '9112 §6.1', post([chunked, 'Transfer-Encoding: identity'], chunks)],
    ['coding given twice, the other way round', '9112 §6.1', post(['Transfer-Encoding: identity', chunked], chunks)],
    ['xchunked', '9112 §6.1', post(['Transfer-Encoding: xchunked'], chunks)],
    ['xchunked and a length', '9112 §6.1', post([length, 'Transfer-Encoding: xchunked'], json)],
    ['chunked, identity', '9112 §6.1', post(['Transfer-Encoding: chunked, identity'], chunks)],
    ['identity, chunked', '9112 §6.1', post(['Transfer-Encoding: identity, chunked'], chunks)],
    ['chunked, chunked', '9112 §6.1', post(['Transfer-Encoding: chunked, chunked'], chunks)],
    ['gzip, chunked', '9112 §6.1', post(['Transfer-Encoding: gzip, chunked'], chunks)],
    ['identity', '9112 §6.1', post(['Transfer-Encoding: identity'], chunks)],
    ['quoted coding', '9112 §7', post(['Transfer-Encoding: "chunked"'], chunks)],
    ['coding with a parameter', '9112 §7', post(['Transfer-Encoding: chunked;q=1'], chunks)],
    ['empty coding', '9112 §7', post([length, 'Transfer-Encoding:'], json)],
    ['coding after a vertical tab', '9110 §5.5', post(['Transfer-Encoding: \x0bchunked'], chunks)],
    ['coding after a no-break space', '9112 §7', post(['Transfer-Encoding: \xa0chunked'], chunks)],
    ['coding before a comma', '9112 §7', post(['Transfer-Encoding: chunked,'], chunks)],
    ['space before the colon of the coding', '9112 §5.1', post(['Transfer-Encoding : chunked'], chunks)],
    ['tab before the colon of the coding', '9112 §5.1', post(['Transfer-Encoding\t: chunked'], chunks)],
    ['space before the colon of the length', '9112 §5.1', post([`Content-Length : ${json.length}`], json)],
    ['coding behind a bare LF', '9112 §2.2', post([`X-A: b\n${chunked}`], chunks)],
    ['coding behind a bare CR', '9112 §2.2', post([`X-A: b\r${chunked}`], chunks)],
    ['coding in a folded line', '9112 §5.2', post([length, 'Transfer-Encoding:\r\n chunked'], json)],
    ['coding of HTTP/1.0', '9112 §6.1', post([chunked], chunks).replace('HTTP/1.1', 'HTTP/1.0')],
    ['two lengths', '9112 §6.3', post([length, 'Content-Length: 3'], json)],
    ['two equal lengths', '9112 §6.3', post([length, length], json)],
    ['a list of lengths', '9112 §6.3', post([`${length}, ${json.length}`], json)],
    ['length with a plus', '9110 §8.6', post([`Content-Length: +${json.length}`], json)],
    ['length below zero', '9110 §8.6', post(['Content-Length: -1'], json)],
    ['length in hex', '9110 §8.6', post(['Content-Length: 0xe'], json)],
    ['length with an exponent', '9110 §8.6', post(['Content-Length: 1e1'], json)],
    ['length with a space in it', '9110 §8.6', post(['Content-Length: 1 4'], json)],
    ['length with more behind it', '9110 §8.6', post([`${length};`], json)],
    ['length of nothing at all', '9110 §8.6', post(['Content-Length:'], '')],
    ['length beyond 64 bits', '9110 §8.6', post(['Content-Length: 99999999999999999999'], json)],
    ['length that wraps around', '9110 §8.6', post(['Content-Length: 18446744073709551630'], json)],
    ['body that ends too soon', '9112 §8', post(['Content-Length: 20'], json), { ends: true }],
    ['head that ends too soon', '9112 §8', 'GET /x HTTP/1.1\r\nHost: a\r\n', { ends: true }]
  ]),
  ...refused([['length beyond the limit', '9110 §15.5.14', post(['Content-Length: 9007199254740991'], json), { code: 'payload_too_large' }]], 413),
  ...forwarded([
    ['coding after a tab', '9110 §5.6.3', post(['Transfer-Encoding:\tchunked'], chunks), seen(json, { lacks: ['transfer-encoding'] })],
    ['coding before a tab', '9110 §5.6.3', post(['Transfer-Encoding: chunked\t'], chunks), seen(json), { mayBeRefused: true }],
    ['length before a tab', '9110 §5.6.3', post([`${length}\t`], json), seen(json), { mayBeRefused: true }],
    ['coding in capitals', '9112 §7', post(['TRANSFER-ENCODING: CHUNKED'], chunks), seen(json, { lacks: ['transfer-encoding'] })],
    ['something like a coding', '9110 §5.1', post([length, 'Transfer_Encoding: chunked', 'Content_Length: 1'], json),
      seen(json, { has: { transfer_encoding: 'chunked', content_length: '1', 'content-length': String(json.length) } })],
    ['length with zeros before it', '9110 §8.6', post([`Content-Length: 000${json.length}`], json), seen(json, { has: { 'content-length': String(json.length) } })],
    ['length between spaces', '9110 §5.6.3', post([`Content-Length: \t ${json.length} `], json), seen(json)],
    ['what follows a body is the next request', '9112 §6.3', post(['Content-Length: 2'], `{}${get('/second')}`), [seen('{}'), got('/second')]],
    ['and if it is none', '9112 §2.2', post(['Content-Length: 2'], '{}SMUGGLED'), seen('{}'), { answers: [200, 400] }],
    ['a body nobody expects, by length', '9110 §9.3.1', get('/with-body', `Content-Length: ${hidden.length}`) + hidden,
      got('/with-body', { lacks: ['content-length', 'transfer-encoding'] })],
    ['a body nobody expects, in chunks', '9110 §9.3.1', get('/with-body', chunked) + `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`,
      got('/with-body', { lacks: ['content-length', 'transfer-encoding'] })]
  ])
]

const chunking = [
  ...refused([
    ['space before a size', '9112 §7.1', post([chunked], ` ${chunks}`)],
    ['size in 0x', '9112 §7.1', post([chunked], `0x${chunks}`)],
    ['size with a plus', '9112 §7.1', post([chunked], `+${chunks}`)],
    ['size below zero', '9112 §7.1', post([chunked], `-${chunks}`)],
    ['size of nothing at all', '9112 §7.1', post([chunked], `\r\n${chunks}`)],
    ['size beyond 64 bits', '9112 §7.1', post([chunked], `fffffffffffffffff\r\n${json}\r\n0\r\n\r\n`)],
    ['size that wraps around', '9112 §7.1', post([chunked], `1000000000000000e\r\n${json}\r\n0\r\n\r\n`)],
    ['size behind a bare LF', '9112 §7.1', post([chunked], `e\n${json}\r\n0\r\n\r\n`)],
    ['size behind a bare CR', '9112 §7.1', post([chunked], `e\r${json}\r\n0\r\n\r\n`)],
    ['LF after the data', '9112 §7.1', post([chunked], `e\r\n${json}\n0\r\n\r\n`)],
    ['data longer than their size', '9112 §7.1', post([chunked], `2\r\n${json}\r\n0\r\n\r\n`)],
    ['data shorter than their size', '9112 §7.1', post([chunked], `f\r\n${json}\r\n0\r\n\r\n`)],
    ['LF in an extension', '9112 §7.1.1', post([chunked], `e;a\n\r\n${json}\r\n0\r\n\r\n`)],
    ['LF after an extension', '9112 §7.1.1', post([chunked], `e;a=b\n${json}\r\n0\r\n\r\n`)],
    ['NUL in an extension', '9112 §7.1.1', post([chunked], `e;\0\r\n${json}\r\n0\r\n\r\n`)],
    ['no last chunk', '9112 §8', post([chunked], `e\r\n${json}\r\n`), { ends: true }],
    ['no end of trailers', '9112 §8', post([chunked], `e\r\n${json}\r\n0\r\n`), { ends: true }],
    ['LF in trailers', '9112 §7.1.2', post([chunked], `e\r\n${json}\r\n0\r\nX-A: b\n\r\n`)],
    ['a length in trailers', '9110 §6.5.1', post([chunked], `e\r\n${json}\r\n0\r\nContent-Length: 3\r\n\r\n`)],
    ['a coding in trailers', '9110 §6.5.1', post([chunked], `e\r\n${json}\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n`)],
    ['space before the colon of a trailer', '9112 §5.1', post([chunked], `e\r\n${json}\r\n0\r\nX-A : b\r\n\r\n`)]
  ]),
  ...refused([
    ['an extension of 20 KiB', '9112 §7.1.1', post([chunked], `e;${'a'.repeat(20_480)}\r\n${json}\r\n0\r\n\r\n`), { code: 'chunk_extensions_too_large' }]
  ], 413),
  ...forwarded([
    ['an extension', '9112 §7.1.1', post([chunked], `e;a="b;c";d\r\n${json}\r\n0;x\r\n\r\n`), seen(json)],
    ['size in capitals after zeros', '9112 §7.1', post([chunked], `0000E\r\n${json}\r\n000\r\n\r\n`), seen(json)],
    ['trailers that would be headers', '9110 §6.5.1',
      post([chunked], `e\r\n${json}\r\n0\r\nAuthorization: Bearer trailer\r\nHost: trailer\r\nX-A: trailer\r\n\r\n`),
      seen(json, { has: { 'content-length': String(json.length) }, lacks: ['authorization', 'x-a', 'transfer-encoding', 'trailer'] })],
    ['trailers and the next request', '9112 §7.1.2', post([chunked], `e\r\n${json}\r\n0\r\nX-A: ${'a'.repeat(100)}\r\n\r\n${get('/second')}`), [seen(json), got('/second')]]
  ])
]

const lines = [
  ...refused([
    ['all lines end in LF', '9112 §2.2', post([length], json, '\n')],
    ['the request line ends in LF', '9112 §2.2', get('/x').replace('\r\n', '\n')],
    ['a line ends in LF', '9112 §2.2', get('/x', 'X-A: b\nX-C: d')],
    ['the head ends in LF', '9112 §2.2', 'GET /x HTTP/1.1\r\nHost: a\r\n\n'],
    ['CR in a value', '9112 §2.2', get('/x', 'X-A: b\rX-C: d')],
    ['CR CR LF', '9112 §2.2', get('/x', 'X-A: b\r')],
    ['CR LF CR and more', '9112 §2.2', 'GET /x HTTP/1.1\r\nHost: a\r\n\rX-A: b\r\n\r\n'],
    ['space before the first line', '9112 §2.2', 'GET /x HTTP/1.1\r\n Host: a\r\nX-A: b\r\n\r\n'],
    ['folded line', '9112 §5.2', get('/x', 'X-A: b', ' c')],
    ['line folded with a tab', '9112 §5.2', get('/x', 'X-A: b', '\tContent-Length: 5')],
    ['folded length', '9112 §5.2', post(['Content-Length:', ` ${json.length}`], json)],
    ['space before a colon', '9112 §5.1', get('/x', 'X-A : b')],
    ['no colon', '9112 §5', get('/x', 'X-A')],
    ['no name', '9112 §5', get('/x', ': b')],
    ['name in brackets', '9110 §5.1', get('/x', '(a): b')],
    ['name of two words', '9110 §5.1', get('/x', 'X A: b')],
    ['name beyond ASCII', '9110 §5.1', get('/x', 'X-\xe9: b')],
    ['NUL in a name', '9110 §5.1', get('/x', 'X-\0A: b')],
    ['NUL in a value', '9110 §5.5', get('/x', 'X-A: b\0c')],
    ['control character in a value', '9110 §5.5', get('/x', 'X-A: b\x01c')],
    ['DEL in a value', '9110 §5.5', get('/x', 'X-A: b\x7fc')],
    ['HTTP/0.9', '9112 §2.3', 'GET /x\r\n\r\n'],
    ['HTTP/0.9 that says so', '9112 §2.3', get('/x').replace('HTTP/1.1', 'HTTP/0.9')],
    ['HTTP/1.2', '9112 §2.3', get('/x').replace('HTTP/1.1', 'HTTP/1.2')],
    ['HTTP/2.0', '9112 §2.3', get('/x').replace('HTTP/1.1', 'HTTP/2.0')],
    ['HTTP/1.10', '9112 §2.3', get('/x').replace('HTTP/1.1', 'HTTP/1.10')],
    ['http/1.1', '9112 §2.3', get('/x').replace('HTTP/1.1', 'http/1.1')],
    ['HTTP/11', '9112 §2.3', get('/x').replace('HTTP/1.1', 'HTTP/11')],
    ['another protocol', '9112 §2.3', get('/x').replace('HTTP/1.1', 'ICE/1.0')],
    ['tab in the request line', '9112 §3', get('/x').replace(' HTTP', '\tHTTP')],
    ['space behind the request line', '9112 §3', get('/x').replace('HTTP/1.1', 'HTTP/1.1 ')],
    ['beginning of HTTP/2', '9113 §3.4', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['beginning of TLS', '8446 §4.1.2', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['babble', '9112 §2.2', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['method in lower case', '9110 §9.1', get('/x').replace('GET', 'get')],
    ['method nobody knows', '9110 §9.1', get('/x').replace('GET', 'BREW')],
    ['method of 5,000 letters', '9110 §9.1', get('/x').replace('GET', 'A'.repeat(5000))],
    ['control character in the method', '9110 §9.1', get('/x').replace('GET', 'GE\x01T')],
    ['space before the method', '9112 §3', ` ${get('/x')}`]
  ]),
  ...refused([
    ['CONNECT to a host', '9110 §9.3.6', 'CONNECT worker:443 HTTP/1.1\r\nHost: worker:443\r\n\r\n', { code: 'method_not_allowed' }],
    ['CONNECT to a path', '9110 §9.3.6', 'CONNECT /workers HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['CONNECT with a request behind it', '9110 §9.3.6', `CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n${hidden}`],
    ['TRACE', '9110 §9.3.8', get('/x').replace('GET', 'TRACE'), { code: 'method_not_allowed' }],
    ['TRACE of a path of the router\'s', '9110 §9.3.8', get('/workers').replace('GET', 'TRACE'), { code: 'method_not_allowed' }],
    ['TRACE of generation', '9110 §9.3.8', get(target).replace('GET', 'TRACE'), { code: 'method_not_allowed' }],
    ['PROPFIND', '9110 §15.5.6', get('/x').replace('GET', 'PROPFIND'), { code: 'method_not_allowed' }],
    ['PURGE', '9110 §15.5.6', get('/v1/models').replace('GET', 'PURGE'), { code: 'method_not_allowed' }],
    ['M-SEARCH', '9110 §15.5.6', get('/workers').replace('GET', 'M-SEARCH'), { code: 'method_not_allowed' }]
  ], [400, 405]),
  ...refused([
    ['a line of 64 KiB', '6585 §5', get('/x', `X-A: ${'a'.repeat(65_536)}`), { code: 'headers_too_large' }],
    ['an id of 64 KiB', '6585 §5', get('/x', `X-Request-Id: ${'a'.repeat(65_536)}`), { code: 'headers_too_large' }],
    ['a name of 64 KiB', '6585 §5', get('/x', `${'X'.repeat(65_536)}: a`)],
    ['a target of 64 KiB', '6585 §5', get('/' + 'a'.repeat(65_536))],
    ['five thousand lines', '6585 §5', get('/x', ...Array.from({ length: 5000 }, (_, at) => `X-${at}: a`))]
  ], [431, 414]),
  ...forwarded([
    ['empty lines before a request', '9112 §2.2', `\r\n\r\n${get('/x')}`, got('/x')],
    ['HTTP/1.0', '9112 §9.3', get('/x').replace('HTTP/1.1', 'HTTP/1.0'), got('/x')],
    ['HTTP/1.0 that keeps alive', '9112 §9.3', get('/x', 'Connection: keep-alive').replace('HTTP/1.1', 'HTTP/1.0'), got('/x')],
    ['HTTP/1.0 without a host', '9112 §3.2', 'GET /x HTTP/1.0\r\n\r\n', got('/x')],
    ['names that every object has', '9110 §5.1', get('/x', '__proto__: a', 'constructor: b', 'toString: c', 'hasOwnProperty: d'),
      got('/x', { has: { ['__proto__' as string]: 'a', constructor: 'b', tostring: 'c', hasownproperty: 'd' } as unknown as Record<string, string> })],
    ['every character a name may have', '9110 §5.6.2', get('/x', "!#$%&'*+-.^_`|~9aZ: b"), got('/x', { has: { "!#$%&'*+-.^_`|~9az": 'b' } })],
    ['bytes beyond ASCII in a value', '9110 §5.5', get('/x', 'X-Session-Id: \x80\xff\xe9'), got('/x', { has: { 'x-session-id': '\x80\xff\xe9' } })],
    ['nothing but spaces in a value', '9112 §5', get('/x', 'X-A: \t ', 'X-B:'), got('/x', { has: { 'x-a': '', 'x-b': '' } })]
  ])
]

const hosts = [
  ...refused([
    ['no host', '9112 §3.2', 'GET /x HTTP/1.1\r\n\r\n', { code: 'invalid_request' }],
    ['two hosts', '9112 §3.2', get('/x', 'Host: other'), { code: 'invalid_request' }],
    ['the same host twice', '9112 §3.2', get('/x', 'Host: router')],
    ['a host with a space', '9112 §3.2', 'GET /x HTTP/1.1\r\nHost: a b\r\n\r\n'],
    ['a host with a path', '9112 §3.2', 'GET /x HTTP/1.1\r\nHost: a/../b\r\n\r\n'],
    ['a host with a user', '9112 §3.2', 'GET /x HTTP/1.1\r\nHost: u@a\r\n\r\n'],
    ['a host with a bad port', '9112 §3.2', 'GET /x HTTP/1.1\r\nHost: a:b\r\n\r\n']
  ]),
  ...forwarded([
    ['an empty host', '9112 §3.2', 'GET /x HTTP/1.1\r\nHost:\r\n\r\n', got('/x')],
    ['an IPv6 host', '9112 §3.2', 'GET /x HTTP/1.1\r\nHost: [::1]:80\r\n\r\n', got('/x')]
  ])
]

const targets = [
  ...refused([
    ['absolute with a user', '9110 §4.2.4', get('http://u:p@evil/v1/models')],
    ['absolute without a host', '9112 §3.2.2', get('http:///workers')],
    ['absolute that goes on behind #', '9112 §3.2', get('http://evil#/workers')],
    ['absolute with a backslash', '9112 §3.2.2', get('http://evil\\@router/workers')],
    ['absolute of another scheme', '9112 §3.2.2', get('ftp://router/workers')],
    ['absolute that is no URL', '9112 §3.2.2', get('http:workers')],
    ['a host and a port', '9112 §3.2.3', get('router:80')],
    ['an asterisk', '9112 §3.2.4', get('*').replace('GET', 'OPTIONS')],
    ['an asterisk in front of a path', '9112 §3.2', get('*workers')],
    ['an asterisk in front of generation', '9112 §3.2', post([length], json).replace(target, '*v1/completions')],
    ['no slash', '9112 §3.2', get('workers')],
    ['a backslash in front', '9112 §3.2', get('\\workers')],
    ['a space in the path', '9112 §3.2', get('/x y')],
    ['a tab in the path', '9112 §3.2', get('/x\ty')],
    ['NUL in the path', '9112 §3.2', get('/x\0y')],
    ['bytes beyond ASCII', '9112 §3.2', get('/x\xe9')],
    ['two slashes in front of a path of the router\'s', '3986 §6.2.2', get('//workers')],
    ['two slashes in front of generation', '3986 §6.2.2', post([length], json).replace(target, `/${target}`)],
    ['two slashes in generation', '3986 §6.2.2', post([length], json).replace(target, '/v1//completions')],
    ['up to a path of the router\'s', '3986 §6.2.2.3', get('/v1/../workers')],
    ['up, in escapes', '3986 §6.2.2.3', get('/v1/%2e%2e/workers')],
    ['up, half in escapes', '3986 §6.2.2.3', get('/v1/.%2E/workers')],
    ['up to nowhere', '3986 §6.2.2.3', get('/v1/files/../x')],
    ['up at the end', '3986 §6.2.2.3', get('/v1/files/..')],
    ['up, from a path of the router\'s', '3986 §6.2.2.3', get('/get_server_info/../workers')],
    ['up, behind an escaped slash', '3986 §6.2.2', get('/workers%2f..')],
    ['up, from one response to another', '3986 §6.2.2.3', get('/v1/responses/resp_1/../resp_2')],
    ['up, with backslashes', '3986 §6.2.2', get('/v1/x\\..\\..\\workers')],
    ['a dot', '3986 §6.2.2.3', get('/./workers')],
    ['a dot at the end', '3986 §6.2.2.3', get('/workers/.')],
    ['an escaped slash in front', '3986 §6.2.2', get('/%2fworkers')],
    ['an escaped slash in generation', '3986 §6.2.2', post([length], json).replace(target, '/v1%2Fcompletions')],
    ['a backslash in generation', '3986 §6.2.2', post([length], json).replace(target, '/v1\\completions')],
    ['a backslash behind the slash', '3986 §6.2.2', get('/\\workers')],
    ['an escaped backslash', '3986 §6.2.2', get('/%5cworkers')],
    ['an escaped NUL', '3986 §7.3', get('/workers%00')],
    ['an escaped line break', '3986 §7.3', get('/x%0d%0aHost:%20evil')],
    ['an escape that is none', '3986 §2.1', get('/x%zz')],
    ['an escape cut short', '3986 §2.1', get('/x%2')],
    ['a fragment', '9112 §3.2', get('/x#y')],
    ['a fragment behind a path of the router\'s', '9112 §3.2', get('/workers#x')],
    ['a fragment in front of one', '9112 §3.2', get('/x#/../workers')]
  ]),
  ...forwarded([
    ['absolute', '9112 §3.2.2', get('http://evil.example/v1/files?a=b'), got('/v1/files?a=b')],
    ['absolute generation', '9112 §3.2.2', post([length], json).replace(target, `http://evil.example:81${target}`), seen(json)],
    ['absolute, in capitals', '9112 §3.2.2', get('HTTPS://EVIL/x'), got('/x')],
    ['absolute without a path', '9112 §3.2.2', get('http://evil'), got('/')],
    ['absolute with a query only', '9112 §3.2.2', get('http://evil?x=/workers'), got('/?x=/workers')],
    ['what looks like a host', '9112 §3.2.1', get('//evil/v1/models'), got('//evil/v1/models')],
    ['a parameter in a path', '3986 §3.3', get('/v1/models;x'), got('/v1/models;x')],
    ['a path of the router\'s in capitals', '3986 §6.2.2.1', get('/WORKERS'), got('/WORKERS')],
    ['a probe in capitals', '3986 §6.2.2.1', get('/Liveness'), got('/Liveness')],
    ['generation with a slash behind it', '3986 §6.2.2', post([length], json).replace(target, `${target}/`), seen(json, { url: `${target}/` })],
    ['generation in escapes', '3986 §6.2.2.2', post([length], json).replace(target, '/v1/%63ompletions'), seen(json, { url: '/v1/%63ompletions' })],
    ['a slash in a model\'s name', '3986 §2.2', get('/v1/models/org%2Fmodel'), got('/v1/models/org%2Fmodel')],
    ['escaped twice', '3986 §2.4', get('/%252e%252e/workers'), got('/%252e%252e/workers')],
    ['anything in a query', '3986 §3.4', get('/x?a=%0d%0aSet-Cookie:%20b&c=../../workers#d'), got('/x?a=%0d%0aSet-Cookie:%20b&c=../../workers#d')],
    ['names that every object has in a query', '3986 §3.4', get('/x?__proto__=a&constructor[prototype]=b'), got('/x?__proto__=a&constructor[prototype]=b')]
  ])
]

/** Paths of the router's own, which it answers itself under whatever they are read as. */
const own: Case[] = [
  { name: 'absolute path of the router\'s', by: '9112 §3.2.2', bytes: get('http://evil/list_workers'), answers: [200] },
  { name: 'path of the router\'s in escapes', by: '3986 §6.2.2.2', bytes: get('/%6cist_workers'), answers: [200] },
  { name: 'path of the router\'s with a slash behind it', by: '3986 §6.2.2', bytes: get('/workers/'), answers: [404] },
  { name: 'a parameter with a name that every object has', by: '3986 §3.4', bytes: get('/add_worker?__proto__=http://a&constructor=b').replace('GET', 'POST'), answers: [400] },
  { name: 'a parameter given twice', by: '3986 §3.4', bytes: get('/add_worker?url=http://a&url=http://b').replace('GET', 'POST'), answers: [400] },
  { name: 'a body nobody expects', by: '9110 §9.3.1', bytes: get('/list_workers', `Content-Length: ${hidden.length}`) + hidden, answers: [200] },
  { name: 'another method', by: '9110 §15.5.6', bytes: get('/list_workers').replace('GET', 'DELETE'), answers: [405] },
  { name: 'another method, with a body that does not come', by: '9110 §15.5.6', bytes: get('/list_workers', 'Content-Length: 1000000').replace('GET', 'PUT'), answers: [405], unfinished: true },
  ...([
    ['__proto__', '{"url":"http://a:1","__proto__":{"x":1}}'],
    ['constructor', '{"url":"http://a:1","constructor":{"prototype":{"x":1}}}'],
    ['__proto__ in escapes', '{"url":"http://a:1","\\u005f_proto__":{}}'],
    ['nesting', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ['nesting in a field', `{"url":"http://a:1","labels":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}}`],
    ['a number without end', '{"url":"http://a:1","priority":1e999}'],
    ['half a character', '{"url":"http://a\\ud800:1"}'],
    ['UTF-16', Buffer.from('{"url":"http://a:1"}', 'utf16le').toString('latin1')],
    ['the wrong types', '{"url":{"a":1},"labels":[]}'],
    ['a number for a text', '{"url":"http://a:1","model_id":5}'],
    ['null for a text', '{"url":"http://a:1","labels":{"a":null}}'],
    ['a text for a number', '{"url":"http://a:1","priority":"5"}'],
    ['a good key and then a bad one', '{"url":"http://a:1","url":"file:///etc/passwd"}'],
    ['a text', '"http://a:1"'],
    ['no JSON', '{"url":'],
    ['control characters', '{"url":"http://a:1/\\u0000\\r\\nX-A: b"}']
  ] as const).map(([name, body]): Case => ({
    name: `a worker to add: ${name}`,
    by: '8259',
    bytes: `POST /workers HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body, 'latin1')}\r\n\r\n${body}`,
    answers: [400]
  }))
]

const hops = [
  ...refused([
    ['Connection: authorization', '9110 §7.6.1', get('/x', 'Authorization: Bearer a', 'Connection: authorization')],
    ['Connection: close, Authorization', '9110 §7.6.1', get('/x', 'Authorization: Bearer a', 'Connection: close, Authorization')],
    ['Connection: x-request-id, content-length', '9110 §7.6.1', post([length, 'X-Request-Id: a', 'Connection: x-request-id, content-length'], json)],
    ['Connection: content-length', '9110 §7.6.1', post([length, 'Connection: content-length'], json)],
    ['Connection: content-type', '9110 §7.6.1', post([length, 'Connection: keep-alive,content-type'], json)],
    ['Connection: host', '9110 §7.6.1', get('/x', 'Connection: host')],
    ['Connection: x-forwarded-for', '9110 §7.6.1', get('/x', 'X-Forwarded-For: 10.0.0.1', 'Connection: X-Forwarded-For')],
    ['Connection: x-session-id', '9110 §7.6.1', get('/x', 'X-Session-Id: a', 'Connection: x-session-id')],
    ['two Connections', '9110 §7.6.1', get('/x', 'Connection: keep-alive', 'Connection: cookie')],
    ['two authorizations', '9110 §5.3', get('/x', 'Authorization: Bearer a', 'Authorization: Bearer b')],
    ['two content types', '9110 §5.3', post([length, 'Content-Type: text/plain'], json)]
  ]),
  ...refused([['an odd expectation', '9110 §10.1.1', post([length, 'Expect: a miracle'], json), { code: 'expectation_failed' }]], 417),
  ...forwarded([
    ['Connection: close, transfer-encoding', '9110 §7.6.1', post(['Connection: close, transfer-encoding', chunked], chunks), seen(json, { lacks: ['transfer-encoding'] })],
    ['Connection: x-mine', '9110 §7.6.1', get('/x', 'X-Mine: a', 'Connection: x-mine', 'X-Yours: b'), got('/x', { lacks: ['x-mine'], has: { 'x-yours': 'b' } })],
    ['headers of the connection', '9110 §7.6.1', get('/x', 'Proxy-Connection: keep-alive', 'Keep-Alive: timeout=9', 'TE: trailers', 'Trailer: X-A', 'Proxy-Authorization: Basic a'),
      got('/x', { lacks: ['proxy-connection', 'keep-alive', 'te', 'trailer', 'proxy-authorization'] })],
    ['upgrade to HTTP/2', '9110 §7.8', get('/x', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'),
      got('/x', { lacks: ['upgrade', 'http2-settings'], has: { connection: 'keep-alive' } })],
    ['upgrade to HTTP/2, with a body', '9110 §7.8', post(['Connection: Upgrade', 'Upgrade: h2c', length], json), seen(json, { lacks: ['upgrade'] })],
    ['upgrade to a WebSocket', '9110 §7.8', get('/v1/realtime', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='),
      got('/v1/realtime', { lacks: ['upgrade'] })],
    ['an expectation', '9110 §10.1.1', post([length, 'Expect: 100-continue'], json), seen(json, { lacks: ['expect'] })],
    ['who it was forwarded for', '9110 §7.6', get('/x', 'X-Forwarded-For: 10.0.0.1', 'X-Forwarded-Host: evil', 'Forwarded: for=a'),
      got('/x', { has: { 'x-forwarded-for': '10.0.0.1', 'x-forwarded-host': 'evil', forwarded: 'for=a' } })],
    ['a rank', '9110 §5.1', get('/x', 'X-Data-Parallel-Rank: 7'), got('/x', { has: { 'x-data-parallel-rank': '7' } })]
  ])
]

const ids = forwarded([
  ['an id in quotes', '9110 §5.5', get('/x', 'X-Request-Id: "a",b;c=\'d\''), got('/x', { has: { 'x-request-id': '"a",b;c=\'d\'' } })],
  // the next three get an id of the router's
  ['an id beyond ASCII', '9110 §5.5', get('/x', 'X-Request-Id: \xe9\x85'), got('/x')],
  ['an id of two words', '9110 §5.5', get('/x', 'X-Request-Id: a\tb'), got('/x')],
  ['two ids', '9110 §5.3', get('/x', 'X-Request-Id: a', 'X-Request-Id: b'), got('/x')],
  ['a long id', '9110 §5.4', get('/x', `X-Request-Id: ${'a'.repeat(1000)}`), got('/x')],
  ['a session in quotes', '9110 §5.5', get('/x', 'X-Session-Id: "\',;%0d%0a'), got('/x', { has: { 'x-session-id': '"\',;%0d%0a' } })]
])

const bodies = forwarded([
  ...([
    ['nesting', `${'{"a":['.repeat(50_000)}${']}'.repeat(50_000)}`],
    ['nesting that never ends', '['.repeat(100_000)],
    ['a model said twice', '{"model":"none","model":"raw"}'],
    ['half a character', '{"model":"\\ud800","prompt":"\\udfff"}'],
    ['names that every object has', '{"__proto__":{"model":"a"},"constructor":{"prototype":1},"model":"raw"}'],
    ['a number without end', '{"max_tokens":1e999,"seed":-0,"n":123456789012345678901234567890}'],
    ['a byte order mark', '\xef\xbb\xbf{"model":"raw"}'],
    ['bytes that are no text', '{"prompt":"\xff\xfe\x80"}'],
    ['a zip bomb', '\x1f\x8b\x08\x00' + '\0'.repeat(1000)]
  ] as const).map(([name, body]) => [name, '8259', post([`Content-Length: ${body.length}`, ...(name === 'a zip bomb' ? ['Content-Encoding: gzip'] : [])], body), seen(body)] as const),
  ...([
    ['no boundary', 'multipart/form-data', '--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nraw\r\n--b--'],
    ['a boundary that never comes', 'multipart/form-data; boundary=b', 'nothing of the kind'],
    ['parts without end', 'multipart/form-data; boundary=b', '--b\r\n'.repeat(2000)],
    ['two boundaries', 'multipart/form-data; boundary=a; boundary=b', '--a\r\nContent-Disposition: form-data; name="model"\r\n\r\nraw\r\n--a--']
  ] as const).map(([name, type, body]) => [
    `an upload with ${name}`, '7578', post([`Content-Length: ${body.length}`], body).replace('application/json', type).replace(target, '/v1/audio/transcriptions'),
    seen(body, { url: '/v1/audio/transcriptions' })
  ] as const)
])

export const cases: readonly Case[] = [...framing, ...chunking, ...lines, ...hosts, ...targets, ...own, ...hops, ...ids, ...bodies]
