// What a client of the router does in tests: posts JSON, or leaves in the middle.
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'

/** POSTs JSON. */
export function post (url: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })
}

/** A chat of one message for the simulator. */
export function chat (content: string, more: object = {}): object {
  return { model: 'simulated', messages: [{ role: 'user', content }], max_tokens: 5, ...more }
}

/** Sends a request over a socket of its own, which the test may destroy whenever it likes. */
export async function sendRaw (port: number, path: string, body: unknown): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  const text = JSON.stringify(body)
  socket.write(`POST ${path} HTTP/1.1\r\nhost: router\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`)
  return socket
}
