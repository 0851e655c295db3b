// Reads that come although the handler has had enough (TLS hands on what it has decrypted) are held in their order, however the handler takes them.
import { Socket } from 'node:net'
import t from 'tap'
import { Call } from '../../../core/http1/call.ts'
import { Connection } from '../../../core/http1/connection.ts'

const whole = ['a', 'bb', 'ccc', 'dddd', 'eeeee']
const reads = ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', ...whole.map(text => `${text.length}\r\n${text}\r\n`), '0\r\n\r\n']

/** A connection whose socket is connected to nothing, busy with a call whose handler does as told with each piece. */
function reading (data: (call: Call, piece: string) => void): { told: string[], call: Call, read: (text: string) => boolean, freed: () => number } {
  const told: string[] = []
  let freed = 0
  const socket = new Socket()
  const connection = new Connection(socket, {
    idleMs: 1000, turns: { count: 0, ms: 1000 }, idle () { freed++ }, closed () {}
  })
  const call = new Call({
    onRequestStart () {},
    onResponseData (_controller, piece) {
      told.push(piece.toString())
      data(call, piece.toString())
    },
    onResponseEnd () { told.push('end') },
    onResponseError (_controller, error) { told.push(error.message) }
  }, 'GET', '', null, 0, 0)
  connection.send(call)
  return {
    told,
    call,
    read: text => connection.read(Buffer.from(text), Buffer.byteLength(text)),
    freed: () => freed
  }
}

t.test('each piece is taken by itself', async t => {
  const { told, call, read } = reading(call => call.pause())
  t.same(reads.map(read), [true, false, false, false, false, false, false], 'it says that it has had enough')
  for (let i = 1; i <= whole.length; i++) {
    t.same(told, whole.slice(0, i))
    call.resume()
  }
  t.same(told, [...whole, 'end'])
})

t.test('the handler wants more while it is told what was held back', async t => {
  let paused = true
  const { told, call, read } = reading(call => {
    call.pause()
    if (!paused) call.resume()
  })
  for (const text of reads) read(text)
  paused = false
  call.resume()
  t.same(told, [...whole, 'end'])
})

t.test('it has had enough in between', async t => {
  const { told, call, read } = reading((call, piece) => {
    call.pause()
    if (piece === 'bb' || piece === 'ccc') call.resume()
  })
  for (const text of reads) read(text)
  call.resume()
  t.same(told, ['a', 'bb', 'ccc', 'dddd'])
  call.resume()
  t.same(told, whole)
  call.resume()
  t.same(told, [...whole, 'end'])
})

t.test('it does not want the rest', async t => {
  const { told, call, read } = reading((call, piece) => {
    if (piece === 'ccc') call.abort(new Error('enough'))
    else call.pause()
  })
  for (const text of reads) read(text)
  call.resume()
  call.resume()
  call.resume()
  t.same(told, ['a', 'bb', 'ccc', 'enough'])
})

t.test('what is behind the head waits with it', async t => {
  const { told, call, read, freed } = reading(() => {})
  call.pause()
  for (const text of reads) read(text)
  t.same(told, [])
  call.resume()
  t.same(told, [...whole, 'end'])
  t.equal(freed(), 0, 'a request that has not been written ends with its connection')
})
