// A worker that is next to no work: for the soak, and one that streams as fast as it is read.
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

const json = Buffer.from('{"id":"x","object":"chat.completion","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12}}')
const wholeAnswer = Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${json.length}\r\n\r\n`), json])
const event = 'data: {"id":"x","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"word"}}]}\n\n'
const streamHead = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n'
const streamAnswer = Buffer.from(`${streamHead}${chunk(event)}${chunk(event)}${chunk('data: [DONE]\n\n')}0\r\n\r\n`)
const models = Buffer.from('{"object":"list","data":[{"id":"plain","object":"model","max_model_len":1000000}]}')
const modelsAnswer = Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${models.length}\r\n\r\n`), models])
/** 16 KB of events. */
const flood = Buffer.from(chunk(event.repeat(160)))

function chunk (text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
}

/** Bytes of streams without end that were written. */
let poured = 0

/** 64 KB ten times a second, and no more than is taken: far more than a slow reader reads, and less than would keep a router from all else. */
function pour (socket: Socket): void {
  if (socket.destroyed) return
  let room = true
  for (let i = 0; i < 4 && room; i++) {
    poured += flood.length
    room = socket.write(flood)
  }
  setTimeout(() => {
    if (socket.writableNeedDrain) socket.once('drain', () => pour(socket))
    else pour(socket)
  }, 100)
}

function serve (socket: Socket): void {
  let rest = Buffer.alloc(0)
  socket.on('error', () => socket.destroy())
  socket.on('data', data => {
    rest = rest.length === 0 ? data : Buffer.concat([rest, data])
    while (true) {
      const head = rest.indexOf('\r\n\r\n')
      if (head < 0) return
      const text = rest.toString('latin1', 0, head)
      const end = head + 4 + Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0)
      if (rest.length < end) return
      const body = rest.toString('latin1', head + 4, end)
      rest = rest.subarray(end)
      if (text.startsWith('GET /v1/models')) socket.write(modelsAnswer)
      else if (text.startsWith('GET ')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
      else if (!body.includes('"stream":true')) socket.write(wholeAnswer)
      else if (!body.includes('"flood":true')) socket.write(streamAnswer)
      else {
        socket.write(streamHead)
        pour(socket)
      }
    }
  })
}

const server = createServer({ noDelay: true }, serve)
server.listen(0, '127.0.0.1', () => process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }))
process.on('message', () => process.send?.({ poured }))
process.on('disconnect', () => process.exit(0))
