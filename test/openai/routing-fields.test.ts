// What a request says of itself: model, stream, session and the like are read from real top-level fields, once.
import t from 'tap'
import { RequestRouting } from '../../openai/routing.ts'

function routing (body: object | string | undefined, headers: Record<string, string | string[] | undefined> = {}): RequestRouting {
  const bytes = body === undefined ? undefined : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  return new RequestRouting('/v1/chat/completions', headers, bytes)
}

t.test('model and stream', t => {
  t.equal(routing({ model: 'a/b', stream: true }).model, 'a/b')
  t.equal(routing('{"mod\\u0065l":"\\u0061"}').model, 'a', 'escaped')
  t.equal(routing('{"model":"first","model":"last"}').model, 'last')
  for (const model of [1, null, '', ['m'], { model: 'm' }]) t.equal(routing({ model }).model, undefined)
  t.equal(routing({ metadata: { model: 'inner' } }).model, undefined)
  t.equal(routing({ stream: true }).stream, true)
  for (const stream of [false, null, 'true', 1, undefined]) t.equal(routing({ stream }).stream, false)
  t.end()
})

t.test('headers', t => {
  const { header } = { header: (name: string) => routing(undefined, { a: 'x', b: ['y', 'z'], c: '', d: [], e: [''] }).header(name) }
  t.same(['a', 'b', 'c', 'd', 'e', 'f', 'constructor'].map(header), ['x', 'y', undefined, undefined, undefined, undefined, undefined])
  t.end()
})

t.test('session, in this order', t => {
  const all = { session_params: { session_id: 'p' }, user: 'u', session_id: 's', user_id: 'i' }
  t.equal(routing(all).session, 'session:p')
  t.equal(routing({ ...all, session_params: {} }).session, 'user:u')
  t.equal(routing({ ...all, session_params: { session_id: '' }, user: null }).session, 'session:s')
  t.equal(routing({ ...all, session_params: 'x', user: '', session_id: {} }).session, 'user:i')
  t.equal(routing({ user_id: 17 }).session, 'user:17')
  t.equal(routing({ session_id: -1.5e3 }).session, 'session:-1500')
  t.equal(routing('{"user":"\\u00e9\\n"}').session, 'user:é\n')
  const cache = { prompt_cache_key: 'k', conversation: 'v' }
  t.equal(routing({ ...cache, user_id: 'i' }).session, 'user:i', 'the Rust router\'s first')
  t.equal(routing(cache).session, 'session:k')
  t.equal(routing({ conversation: 'conv_1' }).session, 'session:conv_1')
  t.equal(routing({ prompt_cache_key: '', conversation: { a: 'b', id: 'conv_2' } }).session, 'session:conv_2')
  for (const conversation of [[{ id: 'x' }], {}, true, { id: [] }]) t.equal(routing({ conversation }).session, undefined)
  for (const user of [true, null, '', [], {}]) t.equal(routing({ user }).session, undefined)
  t.equal(routing({ messages: [{ content: '"user":"u"', user: 'x' }], metadata: { session_id: 's' } }).session, undefined, 'text and inner fields are not meant')
  t.end()
})

t.test('length of the prompt, as the prefix chain has it', t => {
  for (const body of [{ messages: [{ role: 'user', content: 'é'.repeat(2000) }] }, { prompt: 'abc' }, { prompt: [1, 2, 3] }, { input: 5 }, {}, undefined, '[]']) {
    t.equal(routing(body).promptBytes, routing(body).prefix.length)
  }
  t.end()
})

t.test('previous response', t => {
  t.equal(routing({ previous_response_id: 'resp_1' }).previousResponseId, 'resp_1')
  for (const id of [null, '', 5, undefined]) t.equal(routing({ previous_response_id: id }).previousResponseId, undefined)
  t.end()
})

t.test('kv_transfer_params cannot be slipped past', t => {
  const wide = (text: string, encoding: 'le' | 'be', mark: boolean): Buffer => {
    const bytes = Buffer.from((mark ? '\ufeff' : '') + text, 'utf16le')
    return encoding === 'le' ? bytes : bytes.swap16()
  }
  const has = (body: Buffer | string): boolean => new RequestRouting('/v1/completions', {}, Buffer.from(body)).hasKvTransferParams
  t.ok(has('{"kv_transfer_params":{}}'))
  t.ok(has('\ufeff {"a":"\\"}","kv_transfer\\u005fparams":false,"b":NaN}\n'))
  const text = ' {"kv_transfer_params":{"do_remote_prefill":true}}'
  for (const encoding of ['le', 'be'] as const) for (const mark of [true, false]) t.ok(has(wide(text, encoding, mark)), `UTF-16 ${encoding}${mark ? ' marked' : ''}`)
  t.ok(has(Buffer.from([...text].flatMap(c => [c.charCodeAt(0), 0, 0, 0]))), 'UTF-32 le')
  t.ok(has(Buffer.from([...text].flatMap(c => [0, 0, 0, c.charCodeAt(0)]))), 'UTF-32 be')
  t.ok(has(Buffer.from([0, 0, 0xfe, 0xff, 0, 0, 0, 0x7b])), 'UTF-32 be marked')
  t.notOk(has('{"kv_transfer_params":null}'))
  t.notOk(has('{"kv_transfer_params":{},"kv_transfer_params":null}'), 'the last one counts')
  t.notOk(has('{"prompt":"\\"kv_transfer_params\\":{}","x":{"kv_transfer_params":{}}}'))
  t.notOk(has(''))
  t.notOk(has(Buffer.from([0, 0, 0, 0x18, 0x66, 0x74, 0x79, 0x70])), 'a media file')
  t.notOk(routing(undefined).hasKvTransferParams)
  t.end()
})

t.test('no JSON object, no fields', t => {
  for (const body of [undefined, '', '[]', 'null', '{"model":"m"', '{"model":"m","user":"u","stream":true}}', 'RIFF\u0000WAVE']) {
    const { model, stream, session, previousResponseId, hasKvTransferParams, prefix } = routing(body)
    t.same({ model, stream, session, previousResponseId, hasKvTransferParams }, { model: undefined, stream: false, session: undefined, previousResponseId: undefined, hasKvTransferParams: false })
    t.same(prefix, { hashes: [], ends: [], length: 0 })
  }
  t.end()
})

t.test('each part is found once', t => {
  const body = Buffer.from(JSON.stringify({ model: 'm', user: 'u', messages: [{ role: 'user', content: 'x'.repeat(999) }] }))
  const subject = new RequestRouting('/v1/chat/completions', {}, body)
  const read = (): unknown[] => [subject.model, subject.session, subject.prefix, subject.opening]
  const before = read()
  body.fill(0)
  t.ok(read().every((part, i) => part === before[i]), 'the body is not looked at again')
  const cut = Buffer.from('{"model":"m","stream":true}')
  const located = new RequestRouting('/v1/chat/completions', {}, cut)
  t.equal(located.model, 'm')
  cut[0] = 0
  t.equal(located.stream, true, 'the fields are located once for all')
  const lazy = new RequestRouting('/v1/chat/completions', {}, body)
  body.write('{"model":"later"}')
  body.fill(' ', 17)
  t.equal(lazy.model, 'later', 'nor before it is asked for')
  t.end()
})
