// A certificate, key or authority that cannot be served is refused with one line that names option and file, and nothing of what is in it.
import { pino } from 'pino'
import t from 'tap'
import { ServerTls } from '../../server/tls.ts'
import { serverFiles, tlsFile } from '../helpers/tls.ts'

const log = pino({ level: 'silent' })
const cases: ReadonlyArray<[files: object, message: string]> = [
  [{ tlsCert: 'nowhere.pem' }, 'tlsCert takes a PEM file with a certificate, not "nowhere.pem": there is no such file'],
  [{ tlsCert: 'test' }, 'tlsCert takes a PEM file with a certificate, not "test": it is a folder'],
  [{ tlsCert: tlsFile('server-key') }, 'tlsCert takes a PEM file with a certificate, not "test/fixtures/tls/server-key.pem": it holds no certificate in PEM'],
  [{ tlsKey: tlsFile('server') }, 'tlsKey takes a PEM file with a private key, not "test/fixtures/tls/server.pem": it holds none, or one with a passphrase'],
  [{ tlsKey: tlsFile('client-key') }, 'tlsKey takes the private key of tlsCert, not "test/fixtures/tls/client-key.pem": it is the key of another certificate'],
  [{ tlsClientCa: tlsFile('client-key') }, 'tlsClientCa takes a PEM file of certificates, not "test/fixtures/tls/client-key.pem": it holds no certificate in PEM']
]

t.test('at the start', async t => {
  for (const [files, message] of cases) t.throws(() => new ServerTls({ ...serverFiles, ...files }, log), { name: 'OptionFileError', message })
})

t.test('while it runs all stays as it was', async t => {
  const tls = new ServerTls(serverFiles, log)
  t.teardown(() => tls.close())
  const { cert } = tls.options
  for (const [files, message] of cases.slice(0, -1)) t.throws(() => tls.configure({ ...serverFiles, ...files }), { message })
  t.throws(() => tls.configure({ ...serverFiles, tlsClientCa: tlsFile('ca') }), { name: 'OptionsError', message: 'tlsClientCa can be given, or taken away, with the next start only' })
  t.same(tls.options.cert, cert)
  tls.configure({ ...serverFiles, tlsCert: tlsFile('next-server'), tlsKey: tlsFile('next-server-key') })
  t.notSame(tls.options.cert, cert)
})
