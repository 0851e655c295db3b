// The second identical request finds its whole blocks in the cache, another model's and another rank's does not, and a next turn finds the answer.
import t from 'tap'
import { at, chat, post, words, worker } from './worker.ts'

async function cached (url: string, body: object, headers: Record<string, string> = {}): Promise<unknown> {
  return at(await (await post(`${url}/v1/completions`, { max_tokens: 2, ...body }, headers)).json(), 'usage.prompt_tokens_details.cached_tokens')
}

t.test('text prompts', async t => {
  const { url, app } = await worker(t, { loras: ['poet'], ranks: 2 })
  const rank = { 'x-data-parallel-rank': '1' }
  const prompt = words(40)
  t.equal(await cached(url, { prompt }, rank), 0)
  t.equal(await cached(url, { prompt }, rank), 32)
  t.equal(await cached(url, { prompt, model: 'poet' }, rank), 0, 'an adapter has blocks of its own')
  t.equal(await cached(url, { prompt }, { 'x-data-parallel-rank': '0' }), 0, 'another engine, another cache')
  t.equal(await cached(url, { prompt: Array.from({ length: 40 }, (_, index) => index) }, rank), 0)
  t.equal(await cached(url, { prompt: Array.from({ length: 40 }, (_, index) => index) }, rank), 32, 'token ids are taken as they are')
  t.equal(app.simulator.engines[1]?.stats().prefixHits, 64)
  const reset = await fetch(`${url}/reset_prefix_cache`, { method: 'POST' })
  t.same(await reset.json(), { success: true })
  t.equal(await cached(url, { prompt }, rank), 0)
})

t.test('the next turn of a chat', async t => {
  const { url } = await worker(t)
  const first = [{ role: 'user', content: words(100) }]
  const answer: unknown = await (await post(`${url}/v1/chat/completions`, { messages: first, max_tokens: 64 })).json()
  const tokens = Number(at(answer, 'usage.total_tokens'))
  const messages = [...first, { role: 'assistant', content: at(answer, 'choices.0.message.content') }, { role: 'user', content: 'And then?' }]
  const second: unknown = await (await post(`${url}/v1/chat/completions`, { messages })).json()
  t.equal(at(second, 'usage.prompt_tokens_details.cached_tokens'), Math.floor((tokens - 1) / 16) * 16, 'the answer but for its last token')
})

t.test('without prompt token details', async t => {
  const { url } = await worker(t, { enablePromptTokensDetails: false })
  const body: unknown = await (await post(`${url}/v1/chat/completions`, chat('Hello'))).json()
  t.equal(at(body, 'usage.prompt_tokens_details'), null)
})
