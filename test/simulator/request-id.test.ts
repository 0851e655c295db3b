// X-Request-Id becomes the answer's id and is echoed, in errors as well.
import t from 'tap'
import { at, chat, post, worker } from './worker.ts'

t.test('given and made', async t => {
  const { url } = await worker(t)
  const given = await post(`${url}/v1/chat/completions`, chat('Hi'), { 'X-Request-Id': 'rid-7' })
  t.equal(given.headers.get('x-request-id'), 'rid-7')
  t.equal(at(await given.json(), 'id'), 'chatcmpl-rid-7')
  const text = await post(`${url}/v1/completions`, { prompt: 'Hi' }, { 'X-Request-Id': 'rid-8' })
  t.equal(at(await text.json(), 'id'), 'cmpl-rid-8')
  const failed = await post(`${url}/v1/completions`, {}, { 'X-Request-Id': 'rid-9' })
  t.equal(failed.headers.get('x-request-id'), 'rid-9')
  const made = await Promise.all([1, 2].map(async () => at(await (await post(`${url}/v1/completions`, { prompt: 'Hi' })).json(), 'id')))
  t.match(made[0], /^cmpl-[0-9a-f]{32}$/)
  t.not(made[0], made[1])
})
