// A client for the soak: keep-alive connections, one request after the other on each, next to no work.
import { open, post } from './raw.ts'

/** Sends `count` requests over so many connections; resolves with those that did not end well. */
export async function drive (url: string, count: number, connections: number, first: number, counted: (done: number) => void): Promise<number> {
  let next = first
  let done = 0
  let failed = 0
  await Promise.all(Array.from({ length: connections }, async () => {
    const socket = open(url)
    socket.setNoDelay(true)
    let text = ''
    let wake = (): void => {}
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
      wake()
    })
    socket.once('close', () => {
      text += 'closed'
      wake()
    })
    while (next < first + count) {
      const id = next++
      const stream = id % 2 === 0
      text = ''
      socket.write(unique(id, stream))
      while (!(stream ? text.endsWith('0\r\n\r\n') : text.endsWith('}}')) && !text.endsWith('closed')) await new Promise<void>(resolve => { wake = resolve })
      if (!text.startsWith('HTTP/1.1 200')) failed++
      counted(++done)
      if (text.endsWith('closed')) return
    }
    socket.destroy()
  }))
  return failed + count - done
}

/** A request whose id, session, user and prompt nobody has seen before. */
function unique (id: number, stream: boolean): Buffer {
  const prompt = `${id} ${(id * 2654435761 % 4294967296).toString(36)} `.repeat(30)
  return post(id % 3 === 0 ? '/v1/completions' : '/v1/chat/completions', JSON.stringify({
    model: 'plain', stream, user: `user-${id}`, prompt, messages: [{ role: 'system', content: `system ${id}` }, { role: 'user', content: prompt }]
  }), { 'X-Request-Id': `soak-${id}`, 'X-Session-Id': `session-${id}` })
}
