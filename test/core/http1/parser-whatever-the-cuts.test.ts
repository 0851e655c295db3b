// The parser makes the same of an answer wherever its bytes were cut: whole, byte by byte, in two, at random; and of no bytes anything but an answer or an error it knows.
import fc from 'fast-check'
import t from 'tap'
import { ResponseParser } from '../../../core/http1/parser.ts'
import { cases } from './answers.ts'
import type { Case } from './answers.ts'

interface Told {
  status: number
  message: string
  headers: readonly string[]
  body: string
  pieces: number
  trailers: readonly string[]
  ended: boolean
  alone: boolean
  fails: string | undefined
}

/** What the parser tells of bytes that come in these pieces, in memory that is used again, until the connection ends. */
function parse (pieces: readonly Buffer[], bodiless: boolean, closes = true): Told {
  const told: Told = { status: 0, message: '', headers: [], body: '', pieces: 0, trailers: [], ended: false, alone: false, fails: undefined }
  const kept: Buffer[] = []
  const parser = new ResponseParser({
    head ({ status, message, headers }) {
      if (told.status !== 0) throw new Error('two heads')
      Object.assign(told, { status, message, headers })
      return true
    },
    body (piece) {
      if (piece.length === 0 || told.ended) throw new Error('an empty piece, or one too many')
      kept.push(piece)
      return true
    },
    end (trailers, alone) {
      if (told.ended) throw new Error('two ends')
      Object.assign(told, { trailers, alone, ended: true })
    }
  })
  parser.expect(bodiless)
  const memory = Buffer.alloc(65_536, 'stale\r\n\r\n0\r\n\r\n')
  try {
    for (const piece of pieces) {
      piece.copy(memory)
      parser.push(memory, piece.length)
      if (told.ended) break
    }
    if (closes && !told.ended) parser.close()
  } catch (error) {
    const { code } = error as { code?: string }
    if (code === undefined) throw error
    told.fails = code
  }
  told.pieces = kept.length
  told.body = Buffer.concat(kept).toString('latin1')
  return told
}

function cut (bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [0, ...at, bytes.length]
  return places.slice(1).map((end, i) => bytes.subarray(places[i] ?? 0, end)).filter(piece => piece.length > 0)
}

function expected ({ status = 200, message, headers, body = '', trailers = [], fails, more = false }: Case, got: Told): Told {
  return {
    // of an answer that fails in its head nothing is told
    status: fails !== undefined && body === '' ? 0 : status,
    message: message === undefined ? got.message : Buffer.from(message).toString('latin1'),
    headers: headers ?? got.headers,
    body,
    pieces: got.pieces,
    trailers,
    ended: fails === undefined,
    alone: fails === undefined ? !more : false,
    fails
  }
}

t.test('each answer', async t => {
  for (const one of cases) {
    const bytes = Buffer.from(one.bytes, 'latin1')
    const bodiless = one.method === 'HEAD'
    const whole = parse([bytes], bodiless)
    t.same(whole, expected(one, whole), one.name)
    t.ok(whole.pieces <= 1, `${one.name}: what came at once is one piece`)
    if (one.untilClose === true) t.equal(parse([bytes], bodiless, false).ended, false, `${one.name}: it may go on`)
    // what is behind an answer may come later than it
    const asOne = (told: Told): object => ({ ...told, pieces: 0, alone: one.more === true ? false : told.alone })
    const bytewise = cut(bytes, Array.from({ length: Math.max(0, bytes.length - 1) }, (_, i) => i + 1))
    t.same(asOne(parse(bytewise, bodiless)), asOne(whole), `${one.name}, byte by byte`)
    const step = Math.ceil(bytes.length / 600)
    for (let at = 1; at < bytes.length; at += step) {
      const told = parse(cut(bytes, [at]), bodiless)
      if (JSON.stringify(asOne(told)) !== JSON.stringify(asOne(whole))) t.same(asOne(told), asOne(whole), `${one.name}, cut at ${at}`)
    }
  }
})

const answer = fc.record({
  headers: fc.array(fc.tuple(fc.stringMatching(/^[a-z][a-z-]{0,20}$/), fc.stringMatching(/^(?:[!-~](?:[ -~\x80-\xff]{0,30}[!-~])?)?$/)), { maxLength: 6 }),
  chunks: fc.array(fc.uint8Array({ minLength: 1, maxLength: 700 }), { maxLength: 12 }),
  extension: fc.stringMatching(/^(?:;[a-z=]{1,5})?$/),
  framing: fc.constantFrom('length', 'chunks', 'close')
}).map(({ headers, chunks, extension, framing }) => {
  const own = headers.filter(([name]) => !/^(?:content-length|transfer-encoding|connection|keep-alive)$/.test(name))
  const body = Buffer.concat(chunks)
  const lines = own.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const head = 'HTTP/1.1 200 OK\r\n' + lines + (framing === 'length' ? `content-length: ${body.length}\r\n` : framing === 'chunks' ? 'transfer-encoding: chunked\r\n' : '') + '\r\n'
  const framed = framing !== 'chunks' ? [body] : [...chunks.flatMap(chunk => [Buffer.from(`${chunk.length.toString(16)}${extension}\r\n`), chunk, Buffer.from('\r\n')]), Buffer.from('0\r\n\r\n')]
  return { bytes: Buffer.concat([Buffer.from(head, 'latin1'), ...framed]), headers: own.flat(), body: body.toString('latin1'), framing }
})

t.test('any good answer, in any cuts', async t => {
  fc.assert(fc.property(answer, fc.array(fc.nat(8000), { maxLength: 30 }), ({ bytes, headers, body, framing }, cuts) => {
    const told = parse(cut(bytes, cuts.map(at => at % (bytes.length + 1)).sort((a, b) => a - b)), false)
    t.equal(told.fails, undefined)
    if (told.body !== body || !told.ended) throw new Error('another body')
    const more = framing === 'length' ? ['content-length', String(Buffer.byteLength(body, 'latin1'))] : framing === 'chunks' ? ['transfer-encoding', 'chunked'] : []
    if (JSON.stringify(told.headers) !== JSON.stringify([...headers, ...more])) throw new Error('other headers')
  }), { numRuns: 300 })
})

t.test('good answers with a few bytes changed, in any cuts: the same as in one piece, and no error it does not know', async t => {
  const change = fc.record({ at: fc.nat(8000), byte: fc.oneof(fc.constantFrom(0, 10, 13, 32, 58, 59, 48, 102), fc.nat(255)), kind: fc.constantFrom('set', 'insert', 'delete') })
  const known = new Set([undefined, 'HPE_INVALID', 'UND_ERR_HEADERS_OVERFLOW', 'UND_ERR_SOCKET', 'WORKER_FRAMING', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'])
  fc.assert(fc.property(answer, fc.array(change, { minLength: 1, maxLength: 4 }), fc.array(fc.nat(8000), { maxLength: 20 }), ({ bytes }, changes, cuts) => {
    let changed = bytes
    for (const { at, byte, kind } of changes) {
      const place = at % (changed.length + 1)
      changed = Buffer.concat([changed.subarray(0, place), ...(kind === 'delete' ? [] : [Buffer.from([byte])]), changed.subarray(kind === 'insert' ? place : place + 1)])
    }
    const whole = parse([changed], false)
    const pieces = parse(cut(changed, cuts.map(at => at % (changed.length + 1)).sort((a, b) => a - b)), false)
    if (!known.has(whole.fails)) throw new Error(`an error of its own: ${whole.fails}`)
    for (const key of ['status', 'body', 'ended', 'fails'] as const) if (whole[key] !== pieces[key]) throw new Error(`${key}: ${String(whole[key])} in one piece, ${String(pieces[key])} in several`)
  }), { numRuns: 500 })
  t.pass('it did')
})

t.test('bytes that are none of HTTP\'s', async t => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 2000 }), { maxLength: 10 }), pieces => {
    const told = parse(pieces.map(piece => Buffer.from(piece)), false)
    if (told.ended) throw new Error('an answer')
  }), { numRuns: 200 })
  t.pass('were no answer')
})

t.test('one answer after the other, and none that nobody asked for', async t => {
  const bodies: string[] = []
  let ends = 0
  const parser = new ResponseParser({
    head: () => true,
    body (piece) {
      bodies.push(piece.toString())
      return true
    },
    end () { ends++ }
  })
  const bytes = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na')
  t.throws(() => parser.push(bytes, bytes.length), { code: 'UND_ERR_SOCKET' })
  for (let i = 0; i < 3; i++) {
    parser.expect(false)
    parser.push(bytes, bytes.length)
  }
  t.same([bodies, ends, parser.expecting], [['a', 'a', 'a'], 3, false])
  t.throws(() => parser.push(bytes, bytes.length), { code: 'UND_ERR_SOCKET' })
})

t.test('a sink that has had enough hears no more', async t => {
  const chunks = Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n')
  for (const enough of ['head', 'body'] as const) {
    const heard: string[] = []
    const parser = new ResponseParser({
      head () {
        heard.push('head')
        return enough !== 'head'
      },
      body () {
        heard.push('body')
        return enough !== 'body'
      },
      end () { heard.push('end') }
    })
    parser.expect(false)
    parser.push(chunks, chunks.length)
    t.same(heard, enough === 'head' ? ['head'] : ['head', 'body'])
    t.equal(parser.expecting, false)
  }
})
