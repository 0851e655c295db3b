// The model list has the base model and its adapters, which come and go as in vLLM.
import t from 'tap'
import { at, chat, post, worker } from './worker.ts'

t.test('adapters', async t => {
  const { url, app } = await worker(t, { model: 'base', loras: ['poet'], maxModelLen: 4096 })
  const list = async (): Promise<unknown> => at(await (await fetch(`${url}/v1/models`)).json(), 'data')
  t.match(await list(), [
    { id: 'base', object: 'model', owned_by: 'vllm', root: 'base', parent: null, max_model_len: 4096, permission: [{ object: 'model_permission' }] },
    { id: 'poet', root: '/adapters/poet', parent: 'base' }
  ])
  const ask = (model: string): Promise<Response> => post(`${url}/v1/chat/completions`, { ...chat('Hi'), model })
  t.equal(at(await (await ask('poet')).json(), 'model'), 'poet')

  t.equal((await ask('sql')).status, 404)
  const loaded = await post(`${url}/v1/load_lora_adapter`, { lora_name: 'sql', lora_path: '/tmp/sql' })
  t.equal(loaded.status, 200)
  t.equal(await loaded.text(), "Success: LoRA adapter 'sql' added successfully.")
  t.equal((await ask('sql')).status, 200)
  t.same(app.simulator.models, ['base', 'poet', 'sql'])
  t.equal(at(await list(), '2.root'), '/tmp/sql')
  t.equal((await post(`${url}/v1/load_lora_adapter`, { lora_name: 'sql', lora_path: '/tmp/sql' })).status, 400)
  t.equal((await post(`${url}/v1/load_lora_adapter`, { lora_name: 'x' })).status, 400)

  t.equal((await post(`${url}/v1/unload_lora_adapter`, { lora_name: 'sql' })).status, 200)
  t.equal((await post(`${url}/v1/unload_lora_adapter`, { lora_name: 'sql' })).status, 404)
  t.equal((await ask('sql')).status, 404)
})
