// What went wrong between router and worker, in the four kinds the rest of the router tells apart.
import { ModelNotFoundError, NoAvailableWorkersError, StreamBrokenError, WorkerConnectionError, WorkerTimeoutError, WorkerUnreachableError } from './errors.ts'

/**
 * `refused`: no connection came about. `timeout`: the worker was silent for too long. `reset`: the connection ended early.
 * `protocol`: what came is not HTTP.
 */
export type FailureKind = 'refused' | 'timeout' | 'reset' | 'protocol'

const refused = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN', 'EADDRNOTAVAIL', 'UND_ERR_CONNECT_TIMEOUT', 'EHOSTDOWN'])
/** What Node says of a certificate that it does not take: there was nobody to send the request to. */
const untrusted = /^(?:CERT_|ERR_TLS_CERT|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)|^(?:HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED)$/
const timeouts = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT', 'FIRST_BYTE_TIMEOUT'])

function codesOf (error: unknown): string[] {
  const codes: string[] = []
  let current = error
  for (let depth = 0; depth < 4 && current instanceof Error; depth++) {
    if ('code' in current && typeof current.code === 'string') codes.push(current.code)
    // undici's parser means to give a code, HPE_…, and gives none
    else if (current.name === 'HTTPParserError') codes.push('HPE_UNKNOWN')
    // a name that resolves to several addresses fails with one error for each
    if (current instanceof AggregateError) current = current.errors[0]
    else current = current.cause
  }
  return codes
}

/** The system itself gave up on a handshake: no connection came about, so the worker was not slow to answer. */
function gaveUpConnecting (error: unknown): boolean {
  return error instanceof Error && (('syscall' in error && error.syscall === 'connect') || gaveUpConnecting(error.cause))
}

/** The kind of an error that undici or a socket gave. */
export function failureKind (error: unknown): FailureKind {
  const codes = codesOf(error)
  if (gaveUpConnecting(error)) return 'refused'
  if (codes.some(code => refused.has(code) || untrusted.test(code))) return 'refused'
  if (codes.some(code => timeouts.has(code))) return 'timeout'
  if (codes.some(code => code.startsWith('HPE_') || code === 'UND_ERR_INVALID_ARG' || code === 'WORKER_FRAMING')) return 'protocol'
  return 'reset'
}

/** True when the failure says that nothing listens there, as opposed to something that listens badly. */
export function isUnreachable (error: unknown): boolean {
  return failureKind(error) === 'refused' && !codesOf(error).includes('UND_ERR_CONNECT_TIMEOUT')
}

/** Takes the bytes out of a parser's error that it could not read: they may be somebody's answer, and errors are logged. */
export function withoutBytes (error: Error): void {
  if ('data' in error) error.data = undefined
}

/** True when the call never left: undici takes no such request, or no request any more. */
export function isRefusedHere (error: unknown): boolean {
  return codesOf(error).some(code => code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED')
}

/** The answer a client gets for a failure: before the first byte of the answer, or within it. */
export function clientError (error: unknown, answered: boolean): Error & { statusCode?: number } {
  if (answered) return new StreamBrokenError({ cause: error })
  if (error instanceof NoAvailableWorkersError || error instanceof ModelNotFoundError) return error
  if (codesOf(error).includes('UND_ERR_CONNECT_TIMEOUT')) return new WorkerTimeoutError({ cause: error })
  switch (failureKind(error)) {
    case 'refused': return new WorkerUnreachableError({ cause: error })
    case 'timeout': return new WorkerTimeoutError({ cause: error })
    default: return new WorkerConnectionError({ cause: error })
  }
}
