// Small requests of the harness's own: is somebody there, and what does it say.
import { Agent, request } from 'node:http'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'

/** What came back. */
export interface Answer {
  readonly status: number
  readonly text: string
}

/** One request on a connection of its own; undefined when there is no answer. */
export async function ask (url: string, body?: string): Promise<Answer | undefined> {
  return await new Promise(resolve => {
    const agent = new Agent()
    const sent = request(url, {
      agent, timeout: 10_000, ...(body === undefined ? {} : { method: 'POST', headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } })
    }, answer => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', part => { text += part })
      answer.once('end', () => resolve({ status: answer.statusCode ?? 0, text }))
      answer.once('error', () => resolve(undefined))
    })
    sent.once('timeout', () => sent.destroy())
    sent.once('error', () => resolve(undefined))
    sent.once('close', () => {
      agent.destroy()
      resolve(undefined)
    })
    sent.end(body)
  })
}

/** Ports of this machine that nobody listens on now. */
export async function freePorts (count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, async () => {
    const server = createServer()
    await new Promise<void>((resolve, reject) => { server.once('error', reject).listen(0, '127.0.0.1', resolve) })
    return server
  }))
  const ports = servers.map(server => (server.address() as AddressInfo).port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}
