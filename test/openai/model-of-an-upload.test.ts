// The model of an audio upload is found in the form around the file, never in the file.
import fc from 'fast-check'
import t from 'tap'
import { multipartField } from '../../openai/multipart.ts'
import { RequestRouting } from '../../openai/routing.ts'
import { check } from './property.ts'

const type = 'multipart/form-data; boundary=----x1'
const field = (name: string, value: string): string => `------x1\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
const file = (content: Buffer | string): Buffer => Buffer.concat([
  Buffer.from('------x1\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'), Buffer.from(content), Buffer.from('\r\n')
])
const end = '------x1--\r\n'
const form = (...parts: (Buffer | string)[]): Buffer => Buffer.concat([...parts, end].map(part => Buffer.from(part)))
const noise = Buffer.alloc(1_000_000, Buffer.from([0, 255, 13, 10, 45, 45, 34]))

t.test('before and after the file, small and large', t => {
  for (const content of ['', 'abc', noise]) {
    t.equal(multipartField(form(field('model', 'whisper'), file(content)), type, 'model'), 'whisper')
    t.equal(multipartField(form(file(content), field('language', 'en'), field('model', 'whisper')), type, 'model'), 'whisper')
    t.equal(multipartField(form(field('models', 'x'), file(content), field('language', 'en')), type, 'model'), undefined)
  }
  t.equal(multipartField(form(field('model', 'first'), file(noise), field('model', 'last')), type, 'model'), 'last', 'the last one counts')
  t.equal(multipartField(form(field('model', 'first'), field('model', 'last')), type, 'model'), 'last')
  t.equal(multipartField(form(field('model', 'first'), field('model', '')), type, 'model'), '', 'though it is empty')
  t.end()
})

t.test('as a routing property', t => {
  const body = form(file(noise), field('model', 'whisper'))
  const routing = new RequestRouting('/v1/audio/transcriptions', { 'content-type': type }, body)
  t.equal(routing.model, 'whisper')
  t.equal(routing.session, undefined)
  t.equal(routing.stream, false)
  t.equal(new RequestRouting('/v1/audio/transcriptions', { 'content-type': 'application/octet-stream' }, body).model, undefined)
  t.equal(new RequestRouting('/v1/audio/transcriptions', { 'content-type': type }, form(field('model', ''))).model, undefined)
  t.end()
})

t.test('a file that looks like a form is a file', t => {
  const trap = field('model', 'trap').replace(/^------x1/, '------y2')
  t.equal(multipartField(form(file(trap), field('model', 'real'), file(trap)), type, 'model'), 'real')
  t.equal(multipartField(form(file(trap)), type, 'model'), undefined)
  t.equal(multipartField(form(file('x' + field('model', 'trap'))), type, 'model'), undefined, 'a boundary that begins no line')
  t.equal(multipartField(form(field('note', 'Content-Disposition: form-data; name="model"\r\n\r\ntrap')), type, 'model'), undefined)
  t.equal(multipartField(form('------x1\r\nContent-Disposition: form-data; name="file"; filename="; name=\\"model\\""\r\n\r\ntrap\r\n'), type, 'model'), undefined)
  t.equal(multipartField(form('------x1\r\nContent-Disposition: form-data; name="file"; filename="x; name=model; y"\r\n\r\ntrap\r\n'), type, 'model'), undefined)
  t.end()
})

t.test('ways to write it', t => {
  const head = (line: string): Buffer => form(`------x1\r\nX-Other: 1\r\n${line}\r\n\r\nm\r\n`)
  for (const line of ['content-disposition:form-data;name=model', 'CONTENT-DISPOSITION: form-data ; name="model" ; x=y', 'Content-Disposition: form-data; name="model"\r\nContent-Type: text/plain']) {
    t.equal(multipartField(head(line), type, 'model'), 'm', line)
  }
  for (const header of ['multipart/form-data; boundary="----x1"', 'Multipart/Form-Data;charset=utf-8; Boundary=----x1']) {
    t.equal(multipartField(form(field('model', 'm')), header, 'model'), 'm', header)
  }
  for (const header of [undefined, '', 'multipart/form-data', 'multipart/mixed; boundary=----x1', 'multipart/form-data; boundary=']) {
    t.equal(multipartField(form(field('model', 'm')), header, 'model'), undefined, header ?? 'none')
  }
  t.end()
})

t.test('cut off, too long or too deep inside is not found', t => {
  t.equal(multipartField(Buffer.from(field('model', 'm')), type, 'model'), undefined, 'no boundary behind it')
  t.equal(multipartField(form(field('model', 'm'.repeat(2_000))), type, 'model'), undefined)
  t.equal(multipartField(form(file(noise), field('model', 'm'), file(noise)), type, 'model'), undefined, 'neither in the first nor in the last 64 KiB')
  t.end()
})

t.test('any bytes', t => {
  const token = fc.constantFrom('------x1', '\r\n', '--', 'Content-Disposition: form-data; name="model"', '\r\n\r\n', 'm', '"', ';')
  check(t, 'never throws, never finds an unended value', fc.property(fc.array(token, { maxLength: 40 }), tokens => {
    const value = multipartField(Buffer.from(tokens.join('')), type, 'model')
    if (value?.includes('\r\n------x1')) throw new Error(value)
  }), 2_000)
  t.end()
})
