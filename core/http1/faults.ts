// The errors of calls to workers, in the classes and codes that undici gives them: `core/failure.ts` and users judge by those.
import { errors } from 'undici'

/** What came is not HTTP/1.1. Says nothing of the bytes, which may be somebody's answer. */
export function malformed (why: string): Error {
  return Object.assign(new errors.HTTPParserError(`Response does not match the HTTP/1.1 protocol (${why})`), { code: 'HPE_INVALID' })
}

/** The other side, or what is between, did not keep the connection as a call needs it. */
export function socketFault (why: string): Error {
  return new errors.SocketError(why)
}
