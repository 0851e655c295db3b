// Requests as bytes, for clients that behave as no library would.
import { connect } from 'node:net'
import type { Socket } from 'node:net'

/** The bytes of a POST. */
export function post (path: string, body: string, headers: Readonly<Record<string, string>> = {}): Buffer {
  const lines = Object.entries({ Host: 'router', 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(body)), ...headers })
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`)
}

/** A connection to a router. Errors end it and are not told. */
export function open (url: string): Socket {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  return socket
}
