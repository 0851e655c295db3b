// A DNS server that answers what a test says: A, AAAA and SRV records over UDP.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { Test } from 'tap'

/** What a name has: addresses, or `target:port` for SRV; a name that is not there has nothing. */
export type Records = Record<string, { A?: string[], AAAA?: string[], SRV?: string[] }>

export interface DnsServer {
  readonly address: string
  records: Records
  /** Answer everything with this code, such as 2 (server failure); 0: answer properly. */
  failure: number
  /** Say nothing. */
  silent: boolean
  /** Names asked for, with their types. */
  readonly asked: string[]
}

const types: Readonly<Record<number, 'A' | 'AAAA' | 'SRV'>> = { 1: 'A', 28: 'AAAA', 33: 'SRV' }
const numbers = { A: 1, AAAA: 28, SRV: 33 }

/** Starts a server that ends with the test. */
export async function startDnsServer (t: Test, records: Records = {}): Promise<DnsServer> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const server: DnsServer = { address: `127.0.0.1:${socket.address().port}`, records, failure: 0, silent: false, asked: [] }
  socket.on('message', (query, { port, address }) => {
    const labels: string[] = []
    let at = 12
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length))
      at += 1 + length
    }
    const name = labels.join('.').toLowerCase()
    const question = query.subarray(12, at + 5)
    const type = types[query.readUInt16BE(at + 1)]
    server.asked.push(`${type} ${name}`)
    if (server.silent) return
    const known = server.records[name]
    const answers = (type === undefined ? [] : known?.[type] ?? []).map(text => record(type ?? 'A', text))
    const head = Buffer.alloc(12)
    query.copy(head, 0, 0, 2)
    head.writeUInt16BE(0x8580 | (server.failure > 0 ? server.failure : known === undefined ? 3 : 0), 2)
    head.writeUInt16BE(1, 4)
    head.writeUInt16BE(server.failure > 0 ? 0 : answers.length, 6)
    socket.send(Buffer.concat([head, question, ...(server.failure > 0 ? [] : answers)]), port, address)
  })
  t.teardown(() => new Promise<void>(resolve => socket.close(() => resolve())))
  return server
}

function record (type: 'A' | 'AAAA' | 'SRV', text: string): Buffer {
  const data = type === 'A' ? Buffer.from(text.split('.').map(Number)) : type === 'AAAA' ? addressBytes(text) : service(text)
  const head = Buffer.alloc(12)
  head.writeUInt16BE(0xc00c, 0) // the name of the question
  head.writeUInt16BE(numbers[type], 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(data.length, 10)
  return Buffer.concat([head, data])
}

function addressBytes (text: string): Buffer {
  const [left = '', right = ''] = text.split('::')
  const groups = (part: string): number[] => part === '' ? [] : part.split(':').map(group => parseInt(group, 16))
  const [before, after] = [groups(left), groups(right)]
  const all = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after]
  const bytes = Buffer.alloc(16)
  all.forEach((group, i) => bytes.writeUInt16BE(group, 2 * i))
  return bytes
}

function service (text: string): Buffer {
  const [target = '', port] = text.split(':')
  const head = Buffer.alloc(6)
  head.writeUInt16BE(Number(port), 4)
  const labels = target.split('.').map(label => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]))
  return Buffer.concat([head, ...labels, Buffer.from([0])])
}
