// The model of a request, read so that no worker can read another: what is ambiguous names none.
import t from 'tap'
import { formModel, jsonModel } from '../../openai/named-model.ts'

const json = 'application/json'

t.test('JSON', async t => {
  const cases: ReadonlyArray<[body: string | Buffer, model: string | undefined]> = [
    ['{"model":"a"}', 'a'],
    [' \r\n{ "x" : [ {"model":"b"} ] , "model" : "a" }\n', 'a'],
    ['\ufeff{"model":"a"}', 'a'],
    ['{"mod\\u0065l":"a"}', 'a'],
    ['{"model":"\\u0061"}', 'a'],
    ['{"model":"caf\u00e9"}', 'caf\u00e9'],
    ['{"model":"a","model":"b"}', 'b'],
    ['{"model":"a","\\u006dodel":"b"}', 'b'],
    ['{"model":"a","model":null}', undefined],
    ['{"model":"a","model":""}', undefined],
    ['{"model":"a","model":["b"]}', undefined],
    ['{"Model":"a"}', undefined],
    ['{"model ":"a"}', undefined],
    ['{"extra":{"model":"a"}}', undefined],
    ['{}', undefined],
    ['', undefined],
    ['[{"model":"a"}]', undefined],
    ['{"model":"a"}{"model":"b"}', undefined],
    ['{"model":"a"', undefined],
    ['{"model":a}', undefined],
    ['{"model":1}', undefined],
    [Buffer.from('\ufeff{"model":"a"}', 'utf16le'), undefined],
    [Buffer.from('{"model":"a"}', 'utf16le'), undefined],
    [Buffer.from([0x1f, 0x8b, 8, 0]), undefined]
  ]
  for (const [body, model] of cases) t.equal(jsonModel(Buffer.from(body as string), json), model, String(body))
  const body = Buffer.from('{"model":"a"}')
  for (const type of ['application/json', 'Application/JSON', 'application/json; charset=utf-8', 'application/json;charset="UTF-8"']) t.equal(jsonModel(body, type), 'a', type)
  for (const type of ['', 'text/plain', 'application/json; charset=utf-16', 'application/jsonx', 'application/json, text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=b', 'application/json; x=y']) {
    t.equal(jsonModel(body, type), undefined, type)
  }
})

const type = 'multipart/form-data; boundary=b'
const disposition = 'Content-Disposition: form-data; name='
const field = (name: string, value: string, more = ''): string => `--b\r\n${disposition}"${name}"${more}\r\n\r\n${value}\r\n`
const file = (content: string, more = 'Content-Type: audio/wav\r\n'): string => `--b\r\n${disposition}"file"; filename="a.wav"\r\n${more}\r\n${content}\r\n`

t.test('forms', async t => {
  const cases: ReadonlyArray<[name: string, body: string, model: string | undefined]> = [
    ['before the file', field('model', 'a') + file('x') + '--b--\r\n', 'a'],
    ['behind the file', file('x'.repeat(300_000)) + field('model', 'a') + '--b--', 'a'],
    ['between two files', file('x'.repeat(300_000)) + field('model', 'a') + file('y'.repeat(300_000)) + '--b--', 'a'],
    ['with a type', `--b\r\n${disposition}"model"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\na\r\n--b--`, 'a'],
    ['with a length, in other case', '--b\r\ncontent-length: 1\r\ncontent-disposition:form-data;name="model"\r\ncontent-transfer-encoding: 8bit\r\n\r\na\r\n--b--', 'a'],
    ['a file as browsers send it', field('model', 'a') + file('x', 'Content-Type: audio/webm;codecs=opus\r\n') + '--b--', 'a'],
    ['a file with two names', field('model', 'a') + `--b\r\n${disposition}"file"; filename="a.wav"; filename*=utf-8''%c3%a4.wav\r\n\r\nx\r\n--b--`, 'a'],
    ['an empty file', field('model', 'a') + file('') + '--b--', 'a'],
    ['twice', field('model', 'a') + field('model', 'a') + '--b--', undefined],
    ['twice, one in the middle of a long body', field('model', 'a') + file('x'.repeat(300_000)) + field('model', 'b') + file('x'.repeat(300_000)) + '--b--', undefined],
    ['in another case', field('Model', 'a') + '--b--', undefined],
    ['beside another case', field('model', 'a') + field('MODEL', 'b') + '--b--', undefined],
    ['none', file('x') + '--b--', undefined],
    ['empty', field('model', '') + '--b--', undefined],
    ['as a file', field('model', 'a', '; filename="x"') + '--b--', undefined],
    ['with an odd type', field('model', 'a', '\r\nContent-Type: text/plain; charset=utf-16') + '--b--', undefined],
    ['encoded', field('model', 'YQ==', '\r\nContent-Transfer-Encoding: base64') + '--b--', undefined],
    ['an odd line in a head', field('model', 'a', '\r\nX-Other: 1') + '--b--', undefined],
    ['a folded line', field('model', 'a', '\r\n ; filename="x"') + '--b--', undefined],
    ['a lone LF in a head', field('model', 'a', '\nX: y') + '--b--', undefined],
    ['two dispositions', field('model', 'a', `\r\n${disposition}"other"`) + '--b--', undefined],
    ['two names', field('model"; name="other', 'a') + '--b--', undefined],
    ['an unquoted name', `--b\r\n${disposition}model\r\n\r\na\r\n--b--`, undefined],
    ['an extended name', '--b\r\nContent-Disposition: form-data; name*=utf-8\'\'model\r\n\r\na\r\n--b--', undefined],
    ['an encoded name beside it', field('model', 'a') + field('%6dodel', 'b') + '--b--', undefined],
    ['an escaped name beside it', field('model', 'a') + field('\\model', 'b') + '--b--', undefined],
    ['no end', field('model', 'a'), undefined],
    ['an end without its dashes', field('model', 'a') + '--b\r\n', undefined],
    ['something behind the end', field('model', 'a') + '--b--\r\n' + field('model', 'b') + '--b--', undefined],
    ['something before the beginning', 'x\r\n' + field('model', 'a') + '--b--', undefined],
    ['a delimiter after LF only, in a file', field('model', 'a') + file(`x\n--b\n${disposition}"model"\n\nb\n`) + '--b--', undefined],
    ['the boundary within a file', field('model', 'a') + file('x--b') + '--b--', undefined],
    ['a longer boundary', field('model', 'a') + '--bc\r\n' + '--b--', undefined],
    ['space behind a delimiter', field('model', 'a').replace('--b\r\n', '--b \r\n') + '--b--', undefined],
    ['a head that runs into the delimiter', field('model', 'a') + `--b\r\n${disposition}"x"\r\n\r\n--b--`, undefined],
    ['no JSON', '{"model":"a"}', undefined],
    ['nothing', '', undefined]
  ]
  for (const [name, body, model] of cases) t.equal(formModel(Buffer.from(body, 'latin1'), type), model, name)
  t.equal(formModel(Buffer.concat([Buffer.from(field('model', 'a').slice(0, -2)), Buffer.from([0xff]), Buffer.from('\r\n--b--')]), type), undefined, 'no UTF-8')
  const body = Buffer.from(field('model', 'a') + '--b--')
  for (const good of ['multipart/form-data;boundary=b', 'Multipart/Form-Data; boundary="b"']) t.equal(formModel(body, good), 'a', good)
  for (const bad of ['', json, 'multipart/form-data', 'multipart/mixed; boundary=b', 'multipart/form-data; boundary=b; boundary=c', 'multipart/form-data; charset=utf-16; boundary=b', 'multipart/form-data; boundary=b; charset=utf-16', 'multipart/form-data; boundary=B', 'multipart/form-data; boundary=']) {
    t.equal(formModel(body, bad), undefined, bad)
  }
})

t.test('forms as clients write them', async t => {
  const form = new FormData()
  form.set('file', new File([new Uint8Array([1, 2, 3, 13, 10, 45, 45])], 'a b.wav', { type: 'audio/wav' }))
  form.set('model', 'org/whisper')
  form.set('language', 'en')
  const response = new Response(form)
  t.equal(formModel(Buffer.from(await response.arrayBuffer()), response.headers.get('content-type') ?? ''), 'org/whisper')
})
