// A streamed chat has vLLM's chunks: role first, one a token, usage only when asked for, [DONE] last.
import t from 'tap'
import { at, chat, events, post, worker } from './worker.ts'

t.test('a stream with usage', async t => {
  const { url } = await worker(t)
  const response = await post(`${url}/v1/chat/completions`, chat('Hello', { stream: true, max_tokens: 3, stream_options: { include_usage: true } }), { 'x-request-id': 'rid-1' })
  t.equal(response.status, 200)
  t.equal(response.headers.get('content-type'), 'text/event-stream; charset=utf-8')
  t.equal(response.headers.get('x-request-id'), 'rid-1')
  const all = await events(response)
  t.equal(all.length, 6)
  t.ok(all.slice(0, 5).every(chunk => at(chunk, 'id') === 'chatcmpl-rid-1' && at(chunk, 'object') === 'chat.completion.chunk' && at(chunk, 'model') === 'simulated'))
  t.same(at(all[0], 'choices.0.delta'), { role: 'assistant', content: '' })
  t.same(all.slice(0, 4).map(chunk => at(chunk, 'choices.0.finish_reason')), [null, null, null, 'length'])
  t.same(at(all[4], 'choices'), [])
  t.equal(at(all[4], 'usage.completion_tokens'), 3)
  t.equal(at(all[4], 'usage.prompt_tokens_details.cached_tokens'), 0)
  t.equal(all[5], '[DONE]')

  const whole = await (await post(`${url}/v1/chat/completions`, chat('Hello', { max_tokens: 3 }))).json() as unknown
  const text = all.slice(1, 4).map(chunk => at(chunk, 'choices.0.delta.content')).join('')
  t.match(text, /^( [a-z]{3}){3}$/)
  t.equal(at(whole, 'choices.0.message.content'), text, 'the same answer, streamed or not')
  t.equal(at(whole, 'usage.prompt_tokens'), at(all[4], 'usage.prompt_tokens'))
})

t.test('without stream_options no chunk has usage', async t => {
  const { url } = await worker(t)
  const all = await events(await post(`${url}/v1/chat/completions`, chat('Hello', { stream: true })))
  t.equal(all.length, 1 + 16 + 1, '16 tokens by default')
  t.ok(all.every(chunk => at(chunk, 'usage') === undefined))
  t.equal(all.at(-1), '[DONE]')
})

t.test('text completions stream no role, and n answers have their indexes', async t => {
  const { url } = await worker(t)
  const all = await events(await post(`${url}/v1/completions`, { prompt: 'Once', stream: true, max_tokens: 2, n: 2 }))
  t.equal(all.length, 5)
  t.match(all[0], { object: 'text_completion', choices: [{ text: /^ [a-z]{3}$/ }] })
  t.same(all.slice(0, 4).map(chunk => at(chunk, 'choices.0.index')).sort(), [0, 0, 1, 1])
  const whole: unknown = await (await post(`${url}/v1/completions`, { prompt: ['Once', 'Twice'], max_tokens: 2, n: 2 })).json()
  const texts = (at(whole, 'choices') as unknown[]).map(choice => at(choice, 'text'))
  t.equal(new Set(texts).size, 4, 'four different answers')
  t.match(at(whole, 'usage'), { prompt_tokens: 1 + 2, completion_tokens: 8, total_tokens: 11 }, 'a prompt counts once')
})

t.test('a seeded natural end has reason stop', async t => {
  const { url } = await worker(t, { meanAnswerTokens: 4 })
  const body = await (await post(`${url}/v1/chat/completions`, chat('Hello', { max_tokens: 500 }))).json() as unknown
  t.equal(at(body, 'choices.0.finish_reason'), 'stop')
  t.ok(Number(at(body, 'usage.completion_tokens')) < 8)
  const all = await (await post(`${url}/v1/chat/completions`, chat('Hello', { max_tokens: 9, ignore_eos: true }))).json() as unknown
  t.equal(at(all, 'usage.completion_tokens'), 9)
})
