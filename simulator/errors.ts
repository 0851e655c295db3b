// What vLLM 0.32 answers when it refuses a request: status, type, parameter and wording.

/** A refusal in vLLM's form; the plugin's error handler sends it as `{"error":{message,type,param,code}}`. */
export class VllmError extends Error {
  readonly statusCode: number
  readonly type: string
  readonly param: string | null

  constructor (statusCode: number, type: string, message: string, param: string | null = null) {
    super(message)
    this.statusCode = statusCode
    this.type = type
    this.param = param
  }

  /** The body to answer with. */
  body (): { error: { message: string, type: string, param: string | null, code: number } } {
    return { error: { message: this.message, type: this.type, param: this.param, code: this.statusCode } }
  }
}

/** A request that is well-formed but cannot be served: 400. */
export function badRequest (message: string, param: string | null = null): VllmError {
  return new VllmError(400, 'BadRequestError', message, param)
}

export function notFound (message: string, param: string | null = null): VllmError {
  return new VllmError(404, 'NotFoundError', message, param)
}

/** Something went wrong inside: 500. */
export function internalError (): VllmError {
  return new VllmError(500, 'InternalServerError', 'Internal server error')
}

export function unknownModel (model: string, served: Iterable<string>): VllmError {
  return notFound(`The model \`${model}\` does not exist. Valid aliases: ${[...served].join(', ')}.`, 'model')
}

export function invalidJson (position: number): VllmError {
  return validation(`{'type': 'json_invalid', 'loc': ('body', ${position}), 'msg': 'JSON decode error', 'input': {}, 'ctx': {'error': 'Expecting value'}}`, `body.${position}`)
}

export function missingField (name: string): VllmError {
  return validation(`{'type': 'missing', 'loc': ('body', '${name}'), 'msg': 'Field required'}`, `body.${name}`)
}

export function invalidField (name: string, type: string, message: string): VllmError {
  const place = name === '' ? "('body',)" : `('body', '${name}')`
  return validation(`{'type': '${type}', 'loc': ${place}, 'msg': '${message}'}`, name === '' ? 'body' : `body.${name}`)
}

export function unsupportedMediaType (): VllmError {
  return validation("Unsupported Media Type: Only 'application/json' is allowed", null)
}

function validation (detail: string, param: string | null): VllmError {
  return new VllmError(400, 'Bad Request', `1 validation error:\n  ${detail}`, param)
}

/** The error type vLLM gives to a status, for failures on demand. */
export function typeOf (status: number): string {
  if (status === 404) return 'NotFoundError'
  if (status === 429) return 'RateLimitError'
  if (status === 503) return 'ServiceUnavailableError'
  return status >= 500 ? 'InternalServerError' : 'BadRequestError'
}
