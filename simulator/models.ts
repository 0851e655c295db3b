// GET /v1/models and the loading and unloading of LoRA adapters.
import type { FastifyInstance } from 'fastify'
import { badRequest, notFound, VllmError } from './errors.ts'
import { jsonBody } from './json.ts'
import type { Serving } from './serving.ts'

/** Adds the routes. */
export function modelRoutes (app: FastifyInstance, serving: Serving): void {
  const created = Math.floor(Date.now() / 1000)

  app.get('/v1/models', (_, reply) => {
    reply.send({
      object: 'list',
      data: [
        card(serving.model, created, serving.model, null, serving.maxModelLen),
        ...[...serving.adapters.values()].map(({ name, path }) => card(name, created, path, serving.model, null))
      ]
    })
  })

  app.post('/v1/load_lora_adapter', (request, reply) => {
    const { lora_name: name, lora_path: path, load_inplace: inPlace } = jsonBody(request)
    if (typeof name !== 'string' || name === '' || typeof path !== 'string' || path === '') {
      throw new VllmError(400, 'InvalidUserInput', "Both 'lora_name' and 'lora_path' must be provided.")
    }
    if (name === serving.model || (serving.adapters.has(name) && inPlace !== true)) {
      throw badRequest(`The lora adapter '${name}' has already been loaded. If you want to load the adapter in place, set 'load_inplace' to True.`, 'lora_name')
    }
    serving.adapters.set(name, { name, path })
    reply.type('text/plain; charset=utf-8').send(`Success: LoRA adapter '${name}' added successfully.`)
  })

  app.post('/v1/unload_lora_adapter', (request, reply) => {
    const { lora_name: name } = jsonBody(request)
    if (typeof name !== 'string' || name === '') throw new VllmError(400, 'InvalidUserInput', "'lora_name' needs to be provided to unload a LoRA adapter.")
    if (!serving.adapters.delete(name)) throw notFound(`The lora adapter '${name}' cannot be found.`, 'lora_name')
    reply.type('text/plain; charset=utf-8').send(`Success: LoRA adapter '${name}' removed successfully.`)
  })
}

function card (id: string, created: number, root: string, parent: string | null, maxModelLen: number | null): object {
  return {
    id,
    object: 'model',
    created,
    owned_by: 'vllm',
    root,
    parent,
    max_model_len: maxModelLen,
    permission: [{
      id: `modelperm-${id}`,
      object: 'model_permission',
      created,
      allow_create_engine: false,
      allow_sampling: true,
      allow_logprobs: true,
      allow_search_indices: false,
      allow_view: true,
      allow_fine_tuning: false,
      organization: '*',
      group: null,
      is_blocking: false
    }]
  }
}
