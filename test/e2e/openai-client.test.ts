// The official OpenAI client for JavaScript through the router: every kind of call it is used for, and its error classes.
import OpenAI, { NotFoundError } from 'openai'
import t from 'tap'
import { startRouter, startWorkers } from '../helpers/router.ts'

t.test('the openai client', async t => {
  const workers = await startWorkers(t, 2, { interTokenLatencyMs: 1 })
  const { url } = await startRouter(t, { workerUrls: workers.map(worker => worker.url) })
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 })
  const messages = [{ role: 'user' as const, content: 'What is the weather in Paris?' }]

  await t.test('models', async t => {
    const list = await client.models.list()
    t.same(list.data.map(model => model.id), ['simulated'])
    t.equal((await client.models.retrieve('simulated')).id, 'simulated')
  })
  await t.test('chat', async t => {
    const answer = await client.chat.completions.create({ model: 'simulated', messages, max_tokens: 5 })
    t.ok(answer.choices[0]?.message.content)
    t.equal(answer.usage?.completion_tokens, 5)
  })
  await t.test('streaming chat', async t => {
    const stream = await client.chat.completions.create({ model: 'simulated', messages, max_tokens: 5, stream: true, stream_options: { include_usage: true } })
    let text = ''
    let tokens: number | undefined
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ''
      tokens = chunk.usage?.completion_tokens ?? tokens
    }
    t.ok(text)
    t.equal(tokens, 5)
  })
  await t.test('a tool call', async t => {
    const answer = await client.chat.completions.create({
      model: 'simulated',
      messages,
      tool_choice: 'required',
      tools: [{ type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } } }]
    })
    const [call] = answer.choices[0]?.message.tool_calls ?? []
    t.match(call, { type: 'function', function: { name: 'weather' } })
    t.match(JSON.parse(call?.type === 'function' ? call.function.arguments : ''), { city: String })
  })
  await t.test('completions', async t => {
    const answer = await client.completions.create({ model: 'simulated', prompt: 'Once upon a time', max_tokens: 4 })
    t.equal(answer.usage?.completion_tokens, 4)
  })
  await t.test('embeddings', async t => {
    const answer = await client.embeddings.create({ model: 'simulated', input: ['one', 'two'] })
    t.equal(answer.data.length, 2)
    t.ok((answer.data[0]?.embedding.length ?? 0) > 0)
  })
  await t.test('responses: made, asked for again, gone on from', async t => {
    const made = await client.responses.create({ model: 'simulated', input: 'Hello', max_output_tokens: 4 })
    t.match(made.id, /^resp_/)
    t.ok(made.output_text)
    for (let i = 0; i < 4; i++) t.equal((await client.responses.retrieve(made.id)).id, made.id, 'the worker that made it answers')
    const next = await client.responses.create({ model: 'simulated', input: 'Go on', previous_response_id: made.id, max_output_tokens: 4 })
    t.match(next.id, /^resp_/)
  })
  await t.test('an unknown model is the worker\'s own 404', async t => {
    const error = await client.chat.completions.create({ model: 'nobody', messages }).then(() => undefined, (error: unknown) => error)
    t.ok(error instanceof NotFoundError)
    t.match(error, { status: 404, requestID: String })
  })
  await t.test('no worker is an error the client knows', async t => {
    const { url } = await startRouter(t)
    const alone = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 })
    await t.rejects(alone.chat.completions.create({ model: 'simulated', messages }), { status: 503, code: 'no_available_workers', type: 'service_unavailable_error' })
  })
})
