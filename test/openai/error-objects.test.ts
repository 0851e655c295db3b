// Errors are objects OpenAI's clients understand, with a type that goes with the status.
import t from 'tap'
import { errorType, openAiError } from '../../openai/errors.ts'

t.test('type by status', t => {
  const expected: Record<number, string> = {
    400: 'invalid_request_error',
    401: 'authentication_error',
    403: 'permission_error',
    404: 'not_found_error',
    408: 'timeout_error',
    413: 'invalid_request_error',
    415: 'invalid_request_error',
    429: 'rate_limit_error',
    500: 'server_error',
    502: 'server_error',
    503: 'service_unavailable_error',
    504: 'timeout_error',
    599: 'server_error'
  }
  for (const [status, type] of Object.entries(expected)) t.equal(errorType(Number(status)), type, status)
  t.end()
})

t.test('the object', t => {
  t.strictSame(openAiError(404, 'no such model', 'my_type', 'model_not_found', 'model'), { error: { message: 'no such model', type: 'my_type', param: 'model', code: 'model_not_found' } })
  t.strictSame(openAiError(503, 'no worker'), { error: { message: 'no worker', type: 'service_unavailable_error', param: null, code: null } })
  t.end()
})
