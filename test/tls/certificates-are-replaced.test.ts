// The server's certificate is replaced while it runs: connections that stand are not touched, new ones see the new one, and a broken pair is refused with a line in the log.
import { copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { connect } from 'node:tls'
import t from 'tap'
import type { Test } from 'tap'
import { chat } from '../helpers/client.ts'
import { connectHttp2, postHttp2 } from '../helpers/http2-client.ts'
import { startWorkers } from '../helpers/router.ts'
import { pem, startSecureRouter, tlsFile } from '../helpers/tls.ts'
import { until } from '../helpers/until.ts'

/** A folder that ends with the test. */
function folder (t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'vllm-router-'))
  t.teardown(() => rmSync(path, { recursive: true }))
  return path
}

/** The name in the certificate that a new connection sees. */
async function served (url: string): Promise<string> {
  const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { subject } = socket.getPeerCertificate()
  socket.destroy()
  return String(subject.CN)
}

for (const http2 of [true, false]) {
  t.test(http2 ? 'HTTP/2' : 'HTTP/1.1 only', async t => {
    const dir = folder(t)
    const [cert, key] = [join(dir, 'tls.crt'), join(dir, 'tls.key')]
    copyFileSync(tlsFile('server'), cert)
    copyFileSync(tlsFile('server-key'), key)
    const lines: string[] = []
    const workers = await startWorkers(t, 1, { interTokenLatencyMs: 10 })
    const { url, router } = await startSecureRouter(
      t, { workerUrls: workers.map(worker => worker.url), adminPort: 0 }, { http2, files: { tlsCert: cert, tlsKey: key, tlsClientCa: undefined }, log: line => { lines.push(line) } }
    )
    t.equal(await served(url), 'server')
    const stream = http2 ? postHttp2(await connectHttp2(t, url), '/v1/chat/completions', chat('a', { stream: true, max_tokens: 300 })) : undefined

    // half of the pair: not taken, and said so
    writeFileSync(key, pem('next-server-key'))
    await until('it is refused', () => lines.some(line => line.includes('certificates stay as they were: tlsKey takes the private key of tlsCert')), 15_000)
    t.equal(await served(url), 'server')
    t.notMatch(lines.join(''), /PRIVATE KEY/)

    // the other half, replaced as editors do it
    writeFileSync(cert + '~', pem('next-server'))
    renameSync(cert + '~', cert)
    await until('the change', () => lines.some(line => line.includes('certificates changed')), 15_000)
    t.equal(await served(url), 'next-server')
    t.equal(await served(router.adminListener.address), 'next-server', 'the admin listener, too')

    lines.length = 0
    writeFileSync(cert, 'nonsense')
    await until('it is refused', () => lines.some(line => line.includes('tlsCert takes a PEM file with a certificate')), 15_000)
    rmSync(cert)
    await until('it is missed', () => lines.some(line => line.includes('there is no such file')), 15_000)
    t.equal(await served(url), 'next-server')

    if (stream === undefined) return
    const { body, complete } = await stream.answer
    t.match(body.toString(), /\[DONE\]\n\n$/, 'the stream was not disturbed')
    t.equal(complete, true)
  })
}
