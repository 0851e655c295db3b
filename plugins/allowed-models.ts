// Holds callers that may use certain models to those: lets a request to a worker only where it is certain which model the worker will use.
import type { FastifyRequest } from 'fastify'
import { ModelNotAllowedError, ModelNotFoundError, NotAllowedError } from '../core/errors.ts'
import type { Worker } from '../core/worker.ts'
import { formModel, jsonModel } from '../openai/named-model.ts'
import type { RequestRouting } from '../openai/routing.ts'

/** Paths on which vLLM uses the model that the JSON body names, as long as it has it. */
const jsonPaths: ReadonlySet<string> = new Set([
  '/v1/chat/completions', '/v1/completions', '/v1/responses', '/v1/messages', '/v1/messages/count_tokens', '/v1/embeddings', '/v1/audio/speech',
  '/inference/v1/generate', '/tokenize', '/detokenize', '/score', '/v1/score', '/rerank', '/v1/rerank', '/v2/rerank', '/pooling', '/classify',
  '/v1/chat/completions/render', '/v1/completions/render'
])
/** The same, for uploads. */
const formPaths: ReadonlySet<string> = new Set(['/v1/audio/transcriptions', '/v1/audio/translations'])

/** Headers that say how a body is to be read: where one stands twice, two readers may read two bodies. */
const telling: ReadonlySet<string> = new Set(['content-type', 'content-encoding'])

/**
 * Throws where a caller may not send this request, and else sees to it that only workers that serve the model get it: on some
 * paths vLLM takes its own model for one it does not know.
 *
 * @param models what the caller may use
 * @param path for the worker, without query, exactly as the client wrote it
 * @param pinned the worker the request must go to
 * @throws NotAllowedError when no model decides what happens on the path, ModelNotAllowedError when the request names another
 * model, or none that is certain, ModelNotFoundError when the worker it must go to does not serve it
 */
export function checkModel (models: ReadonlySet<string>, request: FastifyRequest, path: string, routing: RequestRouting, pinned: Worker | undefined): void {
  const form = formPaths.has(path)
  if (request.method !== 'POST' || (!form && !jsonPaths.has(path))) throw new NotAllowedError('This API key is limited to certain models and may not use this path')
  const model = modelOf(request, form)
  // a worker is chosen by what the router reads otherwise, which must be the same
  if (model === undefined || model !== routing.model) {
    throw new ModelNotAllowedError(`This API key is limited to certain models: the request must name one of them in \`model\`, in ${form ? 'a plain multipart/form-data body' : 'a body of the type application/json'}`)
  }
  if (!models.has(model)) throw new ModelNotAllowedError('This API key may not use the model that the request names')
  if (pinned !== undefined && pinned.models?.has(model) !== true) throw new ModelNotFoundError()
  routing.knownModelOnly = true
}

function modelOf ({ raw: { rawHeaders }, body }: FastifyRequest, form: boolean): string | undefined {
  if (!Buffer.isBuffer(body)) return undefined
  const told = new Map<string, string>()
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]?.toLowerCase() ?? ''
    if (!telling.has(name)) continue
    if (told.has(name)) return undefined
    told.set(name, rawHeaders[i + 1] ?? '')
  }
  const type = told.get('content-type')
  if (type === undefined || (told.get('content-encoding') ?? 'identity') !== 'identity') return undefined
  return form ? formModel(body, type) : jsonModel(body, type)
}
