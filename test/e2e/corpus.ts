// Every endpoint a vLLM worker has, and bodies that are valid but such as no serialiser would write them.

/** Method and path of vLLM's endpoints that take a JSON body. */
export const jsonPaths = [
  '/v1/chat/completions', '/v1/completions', '/v1/responses', '/v1/messages', '/v1/embeddings', '/rerank', '/v1/rerank', '/v2/rerank',
  '/score', '/v1/score', '/classify', '/pooling', '/tokenize', '/detokenize', '/generate', '/inference/v1/generate',
  '/v1/audio/speech', '/v1/chat/completions/render', '/v1/responses/resp_1/cancel', '/v1/load_lora_adapter', '/not/yet/invented'
]

/** Bodies by what is unusual about them. */
export const bodies: Readonly<Record<string, Buffer>> = {
  'unknown fields': text('{"model":"raw","x_unknown":{"deep":[1,{"y":null}]},"messages":[{"role":"user","content":"a","z":1}]}'),
  'numbers in odd forms': text('{"temperature":1.0,"top_p":1,"seed":9007199254740993,"big":123456789012345678901234567890,"huge":1e400,"tiny":-0.0,"exp":1E+2,"f":0.10}'),
  'duplicate keys': text('{"model":"raw","model":"raw","stream":false,"stream":false,"a":1,"a":2}'),
  escapes: text('{"model":"\\u0072aw","prompt":"\\u0000\\ud83d\\ude00\\ud800\\/\\b\\"\\\\","\\u0061":"\\u00e9"}'),
  'UTF-8': text('{"model":"raw","messages":[{"role":"user","content":"żółć 漢字 🙂 \u2028\u0301"}]}'),
  'invalid UTF-8': Buffer.concat([text('{"model":"raw","prompt":"'), Buffer.from([0xff, 0xc0, 0x80]), text('"}')]),
  'byte order mark': text('\ufeff{"model":"raw"}'),
  whitespace: text(' \r\n\t{ "model" :\n"raw" ,\t"prompt" : [ 1 , 2 ] } \r\n\r\n'),
  empty: text(''),
  'not JSON': text('model=raw&prompt=hello'),
  'cut JSON': text('{"model":"raw","messages":[{"role":"us'),
  scalar: text('"just a string"'),
  'all bytes': Buffer.from(Array.from({ length: 256 }, (_, byte) => byte === 0 ? 1 : byte)),
  deep: text('{"model":"raw","x":' + '['.repeat(2000) + ']'.repeat(2000) + '}')
}

/** A body of `size` bytes and more, with a long prompt. */
export function largeBody (size: number): Buffer {
  return Buffer.concat([text('{"model":"raw","prompt":"'), Buffer.alloc(size, 'żó 1.0 '), text('","temperature":1.0}')])
}

/** An upload as a browser would write it, with bytes that are no text. */
export function multipart (boundary: string): Buffer {
  return Buffer.concat([
    text(`--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="ä.wav"\r\nContent-Type: audio/wav\r\n\r\n`),
    Buffer.from(Array.from({ length: 70_000 }, (_, at) => at * 7 & 255)), text(`\r\n--${boundary}x\r\n--\r\n`),
    text(`\r\n--${boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\nraw\r\n--${boundary}--\r\nepilogue`)
  ])
}

function text (content: string): Buffer {
  return Buffer.from(content)
}
