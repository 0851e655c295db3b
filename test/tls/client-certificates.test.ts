// With authorities for clients, whoever has no certificate of one of them is refused, over HTTP/2, HTTP/1.1 and on the admin listener.
import { once } from 'node:events'
import { request } from 'node:https'
import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { call, connectHttp2 } from '../helpers/http2-client.ts'
import { pem, serverFiles, startSecureRouter, tlsFile } from '../helpers/tls.ts'

const own = { ca: pem('ca'), cert: pem('client'), key: pem('client-key') }
const foreign = { ca: pem('ca'), cert: pem('foreign-client'), key: pem('foreign-client-key') }
const none = { ca: pem('ca') }

t.test('mutual TLS', async t => {
  const { url, router } = await startSecureRouter(t, { adminPort: 0 }, { files: { ...serverFiles, tlsClientCa: tlsFile('ca') } })
  const get = async (address: string, files: object): Promise<number | undefined> => {
    const asked = request(address + '/liveness', { ...files, agent: false })
    asked.end()
    const [response] = await once(asked, 'response') as [IncomingMessage]
    response.resume()
    return response.statusCode
  }
  for (const address of [url, router.adminListener.address]) {
    t.equal(await get(address, own), 200)
    await t.rejects(get(address, foreign), `${address}: of another authority`)
    await t.rejects(get(address, none), `${address}: none`)
  }
  t.equal((await call(await connectHttp2(t, url, own), { ':path': '/liveness' }).answer).status, 200)
  for (const files of [foreign, none]) {
    // a client of TLS 1.3 hears of its refusal only when it reads
    const status = await connectHttp2(t, url, { cert: '', key: '', ...files }).then(session => call(session, { ':path': '/liveness' }).answer).then(answer => answer.status, () => 0)
    t.equal(status, 0)
  }
})
