// However the bytes of a ZMTP peer are cut into pieces, a message within bounds passes and a larger one does not.
import fc from 'fast-check'
import t from 'tap'
import { ZmtpBounds } from '../../discovery/zmtp-bounds.ts'

const most = 600

function greeting (version = 3): Buffer {
  const bytes = Buffer.alloc(64)
  bytes.write('\xff\0\0\0\0\0\0\0\x01\x7f', 'latin1')
  bytes[10] = version
  return bytes
}

interface Frame {
  readonly length: number
  readonly more: boolean
  readonly command: boolean
  readonly long: boolean
}

function bytesOf ({ length, more, command, long }: Frame): Buffer {
  const wide = long || length > 255
  const head = Buffer.alloc(wide ? 9 : 2)
  head[0] = (more ? 1 : 0) | (wide ? 2 : 0) | (command ? 4 : 0)
  if (wide) head.writeBigUInt64BE(BigInt(length), 1)
  else head[1] = length
  return Buffer.concat([head, Buffer.alloc(length, 0xff)])
}

t.test('any frames in any pieces', async t => {
  const frame = fc.record({ length: fc.nat({ max: 700 }), more: fc.boolean(), command: fc.boolean(), long: fc.boolean() })
  let refused = 0
  t.doesNotThrow(() => fc.assert(fc.property(fc.array(frame, { maxLength: 12 }), fc.infiniteStream(fc.integer({ min: 1, max: 300 })), (frames, sizes) => {
    let message = 0
    let within = true
    for (const one of frames) {
      if (!one.command) message += bytesOf(one).length
      if (one.length > most || message > most) within = false
      if (!one.more && !one.command) message = 0
    }
    const bytes = Buffer.concat([greeting(), ...frames.map(bytesOf)])
    const bounds = new ZmtpBounds(most)
    let passed = true
    for (let at = 0; at < bytes.length && passed;) {
      const size = sizes.next().value
      passed = bounds.pass(bytes.subarray(at, at + size))
      at += size
    }
    if (!passed) refused++
    return passed === within
  })))
  t.ok(refused > 5)
})

t.test('what is not ZMTP 3', async t => {
  for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.from([1, 0]), greeting(1), greeting(2), Buffer.alloc(64, 0xff)]) t.equal(new ZmtpBounds(most).pass(bytes), false)
  t.equal(new ZmtpBounds(most).pass(greeting(4)), true, 'as the library sees it, what comes later frames alike')
  const huge = Buffer.concat([greeting(), Buffer.from([3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])])
  t.equal(new ZmtpBounds(most).pass(huge), false)
})
