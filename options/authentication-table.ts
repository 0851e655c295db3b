// The rows of the table of options that are about who may use the router.
/* eslint @stylistic/object-property-newline: off -- a table is read by its rows */
import { longest } from './spec.ts'
import type { OptionSpec } from './spec.ts'

/** The options of the group Authentication. */
export const authenticationTable = [
  {
    name: 'api-key-validation-urls', type: 'list', format: 'service-url', splits: true, default: [], placeholder: 'URL', group: 'Authentication',
    variables: ['API_KEY_VALIDATION_URLS'],
    help: "URLs that are asked with GET and the client's bearer token, in order, whether it is valid: 200 is yes, 401 and 403 are no, anything else is a failure of the URL. When given, every request needs a valid token."
  },
  {
    name: 'api-keys-file', type: 'string', format: 'path', default: undefined, placeholder: 'FILE', group: 'Authentication',
    help: 'File of API keys, one a line, read again when it changes. When given, every request needs one of them, or a token that another means knows.'
  },
  {
    name: 'jwt-issuer', type: 'string', default: undefined, placeholder: 'URL', group: 'Authentication',
    help: 'Issuer whose JWTs are accepted as bearer tokens, exactly as it stands in their iss claim.'
  },
  {
    name: 'jwt-audience', type: 'list', default: [], placeholder: 'AUDIENCE', group: 'Authentication',
    help: 'Audiences of which a JWT must have one in its aud claim. Give it: other services trust the same issuer.'
  },
  {
    name: 'jwks-url', type: 'string', format: 'service-url', default: undefined, placeholder: 'URL', group: 'Authentication',
    help: "URL of the issuer's public keys. Unset: what ISSUER/.well-known/openid-configuration says."
  },
  {
    name: 'jwt-models-claim', type: 'string', default: undefined, placeholder: 'CLAIM', group: 'Authentication',
    help: 'Claim of a JWT that lists the models its caller may use; * is all of them, and a token without the claim may use none. Unset is all.'
  },
  {
    name: 'auth-exempt-paths', type: 'list', format: 'url-path', default: ['/health', '/liveness', '/readiness'], placeholder: 'PATH', group: 'Authentication',
    help: 'Paths that need no token, exactly as they are written. The default is what orchestrators ask.'
  },
  {
    name: 'auth-cache-ttl-secs', type: 'number', min: 0, max: longest, default: 300, placeholder: 'SECS', group: 'Authentication',
    help: 'Time for which a valid token is not asked about again, in seconds: a token that is withdrawn may be used for so long.'
  },
  {
    name: 'auth-cache-negative-ttl-secs', type: 'number', min: 0, max: longest, default: 10, placeholder: 'SECS', group: 'Authentication',
    help: 'Time for which an invalid token is not asked about again, in seconds: a new token that was tried too early works after so long.'
  },
  {
    name: 'auth-cache-grace-secs', type: 'number', min: 0, max: longest, default: 3600, placeholder: 'SECS', group: 'Authentication',
    help: 'Time for which a valid token may be used beyond auth-cache-ttl-secs while no validation URL can tell, in seconds.'
  },
  {
    name: 'auth-cache-size', type: 'integer', min: 1, default: 10000, placeholder: 'TOKENS', group: 'Authentication',
    help: 'Valid tokens remembered, and as many invalid ones; by keyed hashes, never the tokens themselves.'
  },
  {
    name: 'auth-timeout-ms', type: 'integer', min: 1, max: 3600000, default: 2000, placeholder: 'MS', group: 'Authentication',
    help: "Time for one call to a validation URL, or for an issuer's keys, in milliseconds."
  },
  {
    name: 'auth-max-validations', type: 'integer', min: 1, max: 10000, default: 64, placeholder: 'TOKENS', group: 'Authentication',
    help: 'Tokens asked about at the same time; 1024 more may wait for auth-timeout-ms, requests with further ones are answered with 503.'
  },
  {
    name: 'auth-caller-labels', type: 'integer', min: 0, max: 100000, default: 100, placeholder: 'CALLERS', group: 'Authentication',
    help: 'Callers with a name of their own in metrics; all others are called other.'
  },
  {
    name: 'forward-authorization', type: 'switch', default: false, group: 'Authentication',
    help: "Forward a recognised client's own Authorization header to workers. Without it, its token stays here."
  }
] as const satisfies readonly OptionSpec[]
