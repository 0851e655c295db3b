// The Responses API: whole, streamed, stored, continued, in the background, cancelled; and only so many are kept.
import t from 'tap'
import { until } from '../helpers/until.ts'
import { at, events, post, words, worker } from './worker.ts'

t.test('create, get, continue', async t => {
  const { url } = await worker(t)
  const made: unknown = await (await post(`${url}/v1/responses`, { input: words(100), max_output_tokens: 20 })).json()
  t.match(made, { object: 'response', status: 'completed', model: 'simulated', output: [{ type: 'message', role: 'assistant', content: [{ type: 'output_text' }] }], usage: { output_tokens: 20 } })
  const got = await fetch(`${url}/v1/responses/${String(at(made, 'id'))}`)
  t.same(await got.json(), made)
  const next: unknown = await (await post(`${url}/v1/responses`, { input: 'And?', previous_response_id: at(made, 'id') })).json()
  t.ok(Number(at(next, 'usage.input_tokens_details.cached_tokens')) >= 112, 'the conversation so far is cached')
  t.equal((await fetch(`${url}/v1/responses/resp_none`)).status, 404)
  t.equal((await post(`${url}/v1/responses`, {})).status, 400)
  const cancel = await post(`${url}/v1/responses/${String(at(made, 'id'))}/cancel`, {})
  t.equal(cancel.status, 400)
  t.equal(at(await cancel.json(), 'error.message'), 'Cannot cancel a synchronous response.')
})

t.test('stream', async t => {
  const { url } = await worker(t)
  const response = await post(`${url}/v1/responses`, { input: 'Hi', stream: true, max_output_tokens: 3 })
  t.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8')
  const all = await events(response)
  t.same(all.map(event => at(event, 'type')), [
    'response.created', 'response.in_progress', 'response.output_item.added', 'response.content_part.added',
    'response.output_text.delta', 'response.output_text.delta', 'response.output_text.delta',
    'response.output_text.done', 'response.content_part.done', 'response.output_item.done', 'response.completed'
  ])
  t.same(all.map(event => at(event, 'sequence_number')), all.map((_, index) => index))
  const last = at(all.at(-1), 'response')
  t.equal(at(last, 'output.0.content.0.text'), all.slice(4, 7).map(event => at(event, 'delta')).join(''))
  t.same(await (await fetch(`${url}/v1/responses/${String(at(last, 'id'))}`)).json(), last)
})

t.test('background and cancel', async t => {
  const { url, app } = await worker(t)
  const queued: unknown = await (await post(`${url}/v1/responses`, { input: 'Hi', background: true, max_output_tokens: 30_000 })).json()
  t.equal(at(queued, 'status'), 'queued')
  const path = `${url}/v1/responses/${String(at(queued, 'id'))}`
  await until('work in progress', async () => at(await (await fetch(path)).json(), 'status') === 'in_progress')
  t.equal(app.simulator.engines[0]?.load, 1)
  t.equal(at(await (await post(`${path}/cancel`, {})).json(), 'status'), 'cancelled')
  t.equal(app.simulator.engines[0]?.load, 0)
  const short: unknown = await (await post(`${url}/v1/responses`, { input: 'Hi', background: true })).json()
  await until('its end', async () => at(await (await fetch(`${url}/v1/responses/${String(at(short, 'id'))}`)).json(), 'status') === 'completed')
})

t.test('only so many are kept', async t => {
  const { url } = await worker(t, { maxStoredResponses: 2 })
  const ids: string[] = []
  for (let call = 0; call < 3; call++) ids.push(String(at(await (await post(`${url}/v1/responses`, { input: 'Hi' })).json(), 'id')))
  const status = await Promise.all(ids.map(async id => (await fetch(`${url}/v1/responses/${id}`)).status))
  t.same(status, [404, 200, 200])
  const unstored: unknown = await (await post(`${url}/v1/responses`, { input: 'Hi', store: false })).json()
  t.equal((await fetch(`${url}/v1/responses/${String(at(unstored, 'id'))}`)).status, 404)
})
