// Errors in the client's language: the OpenAI error object and the name of the type that goes with a status.

/** The body of an error answer. */
export interface OpenAiError {
  readonly error: {
    readonly message: string
    readonly type: string
    readonly param: string | null
    readonly code: string | number | null
  }
}

const types: ReadonlyMap<number, string> = new Map([
  [401, 'authentication_error'],
  [403, 'permission_error'],
  [404, 'not_found_error'],
  [408, 'timeout_error'],
  [429, 'rate_limit_error'],
  [503, 'service_unavailable_error'],
  [504, 'timeout_error']
])

/**
 * The error type for a status: the client did wrong (`invalid_request_error` and more exact names for 401, 403, 404 and 429),
 * something took too long (`timeout_error`: 408 and 504), nobody is there to serve (`service_unavailable_error`: 503), or any
 * other fault on this side (`server_error`: 500, 502 and the rest).
 */
export function errorType (status: number): string {
  return types.get(status) ?? (status >= 400 && status < 500 ? 'invalid_request_error' : 'server_error')
}

/** An error object as OpenAI clients read it; `type` and `code` may be null to take the status's own type and no code. */
export function openAiError (
  status: number, message: string, type: string | null = null, code: string | number | null = null, param: string | null = null
): OpenAiError {
  return { error: { message, type: type ?? errorType(status), param, code } }
}
