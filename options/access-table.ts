// The rows of the table about who is let in, and over what: TLS in both directions, the admin routes.
/* eslint @stylistic/object-property-newline: off -- a table is read by its rows */
import type { OptionSpec } from './spec.ts'

/** Rows of the groups TLS and Admin. */
export const accessTable = [
  {
    name: 'tls-cert', type: 'string', format: 'path', default: undefined, placeholder: 'FILE', group: 'TLS',
    help: "The server's certificate in PEM, with those between it and its authority; with it clients are served over TLS only. Read again when it changes."
  },
  {
    name: 'tls-key', type: 'string', format: 'path', default: undefined, placeholder: 'FILE', group: 'TLS',
    help: 'The private key of tls-cert in PEM, without a passphrase. Read again when it changes.'
  },
  {
    name: 'tls-client-ca', type: 'string', format: 'path', default: undefined, placeholder: 'FILE', group: 'TLS',
    help: 'Authorities in PEM; clients without a certificate of one of them are refused, those of probes too. Read again when it changes.'
  },
  {
    name: 'disable-http2', type: 'switch', default: false, group: 'TLS',
    help: 'Serve HTTP/1.1 only. Over TLS clients may else choose HTTP/2; without TLS there is HTTP/1.1 only.'
  },
  {
    name: 'worker-ca', type: 'string', format: 'path', default: undefined, placeholder: 'FILE', group: 'TLS',
    help: 'Authorities in PEM that certificates of https:// workers must come from, in place of the public ones. Read again when it changes, for new connections.'
  },
  {
    name: 'worker-client-cert', type: 'string', format: 'path', default: undefined, placeholder: 'FILE', group: 'TLS',
    help: 'Certificate in PEM that the router shows to https:// workers that ask for one. Read again when it changes, for new connections.'
  },
  {
    name: 'worker-client-key', type: 'string', format: 'path', default: undefined, placeholder: 'FILE', group: 'TLS',
    help: 'The private key of worker-client-cert in PEM, without a passphrase.'
  },
  {
    name: 'worker-tls-insecure', type: 'switch', default: false, group: 'TLS',
    help: 'Take any certificate of https:// workers. Anybody between router and worker can then read and change everything.'
  },

  {
    name: 'admin-api-key', type: 'string', format: 'token', secret: true, default: undefined, placeholder: 'KEY', group: 'Admin',
    help: 'Bearer token without which the admin routes answer with 401. Nothing else opens them then, and it opens nothing else.'
  },
  {
    name: 'admin-port', type: 'integer', min: 0, max: 65535, default: undefined, group: 'Admin',
    help: 'Port of a listener of their own for the admin routes, which leave the other one; the probes are on both. 0 takes any free one, unset is no such listener.'
  },
  {
    name: 'admin-host', type: 'string', format: 'hostname', default: '127.0.0.1', placeholder: 'ADDRESS', group: 'Admin',
    help: 'Address of that listener. The default is reachable from this machine only.'
  }
] as const satisfies readonly OptionSpec[]
