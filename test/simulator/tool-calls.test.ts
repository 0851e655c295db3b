// With tools the model calls one when it must or when the user asks for a tool, with arguments that fit the schema.
import t from 'tap'
import { at, chat, events, post, worker } from './worker.ts'

const tools = [
  { type: 'function', function: { name: 'now' } },
  {
    type: 'function',
    function: {
      name: 'weather',
      parameters: { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer', minimum: 1 }, unit: { enum: ['C', 'F'] }, extra: { type: 'boolean' } }, required: ['city', 'days', 'unit'] }
    }
  }
]
const weather = { type: 'function', function: { name: 'weather' } }

t.test('whole answers', async t => {
  const { url } = await worker(t)
  const ask = async (content: string, more: object): Promise<unknown> => await (await post(`${url}/v1/chat/completions`, chat(content, { tools, ...more }))).json()
  const required = await ask('Hi', { tool_choice: 'required' })
  t.equal(at(required, 'choices.0.finish_reason'), 'tool_calls')
  t.equal(at(required, 'choices.0.message.content'), null)
  t.match(at(required, 'choices.0.message.tool_calls'), [{ type: 'function', function: { name: 'now', arguments: '{}' } }])
  const named = await ask('Hi', { tool_choice: weather })
  t.equal(at(named, 'choices.0.finish_reason'), 'stop', 'as vLLM says when the function is named')
  t.same(JSON.parse(String(at(named, 'choices.0.message.tool_calls.0.function.arguments'))), { city: 'text', days: 1, unit: 'C' })
  t.match(at(await ask('Use a tool', {}), 'choices.0.message.tool_calls'), [{ function: { name: 'now' } }])
  t.same(at(await ask('Use a tool', { tool_choice: 'none' }), 'choices.0.message.tool_calls'), [])
  t.same(at(await ask('Hi', {}), 'choices.0.message.tool_calls'), [])
})

t.test('streamed', async t => {
  const { url } = await worker(t)
  const all = await events(await post(`${url}/v1/chat/completions`, chat('Hi', { tools, tool_choice: weather, stream: true })))
  const deltas = all.slice(1, -1).map(chunk => at(chunk, 'choices.0.delta.tool_calls.0'))
  t.match(deltas[0], { index: 0, type: 'function', function: { name: 'weather' } })
  t.ok(deltas.length > 3, 'in pieces')
  t.ok(deltas.slice(1).every(delta => at(delta, 'function.name') === undefined))
  t.same(JSON.parse(deltas.map(delta => at(delta, 'function.arguments')).join('')), { city: 'text', days: 1, unit: 'C' })
  t.equal(at(all.at(-2), 'choices.0.finish_reason'), 'stop')
  t.equal(all.at(-1), '[DONE]')
})
