// Nothing secret is ever shown: not an option marked so, not a client's credentials, not a prompt or an answer, in no log, error, page or help.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { OptionsError, optionSpecs } from '../../options.ts'
import { loadOptions } from '../../options/load.ts'
import { comesFrom, environmentName, flagName } from '../../options/spec.ts'
import { Conversation } from '../helpers/conversation.ts'
import { environment, untapped } from '../helpers/environment.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import { until } from '../helpers/until.ts'
import { serve, server } from '../server/binary.ts'

t.setTimeout(120_000)

const secrets = optionSpecs.filter(spec => spec.secret === true)
/** Stands in every secret of these tests, and nowhere else. */
const mark = /hush/i

/** What loading options says, well or ill. */
async function said (argv: readonly string[], variables: Readonly<Record<string, string>>, cwd: string): Promise<string> {
  try {
    const loaded = await loadOptions(argv, variables, cwd)
    return loaded.command === 'serve' ? loaded.warnings.join('\n') : loaded.command === 'help' ? loaded.text : ''
  } catch (error) {
    if (error instanceof OptionsError) return error.message
    throw error
  }
}

t.test('whatever is wrong with a secret option, or with another beside it', async t => {
  t.ok(secrets.length > 0)
  const values = ['hush', 'hush hush', '\u0000hush\nhush', '--hush', '{"a":"hush"}']
  for (const spec of secrets) {
    const flag = flagName(spec.name)
    for (const value of values) {
      const dir = t.testdir({
        'plain.yaml': `${spec.name}: ${value}\n`,
        'quoted.yaml': `${spec.name}: ${JSON.stringify(value)}\n`,
        'list.yaml': `${spec.name}: [${JSON.stringify(value)}, 3]\n`,
        'map.yaml': `${spec.name}:\n  a: ${JSON.stringify(value)}\n`,
        'twice.yaml': `${spec.name}: ${JSON.stringify(value)}\n${spec.name}: ${JSON.stringify(value)}\n`,
        'broken.yaml': `${spec.name}: ${JSON.stringify(value)} ]\n`,
        'tab.yaml': `${spec.name}:\t"${value}\n`,
        'other.yaml': `${spec.name}: ${JSON.stringify(value)}\nport: none\n`,
        'typo.yaml': `${spec.name}x: ${JSON.stringify(value)}\n`,
        'file.json': `{"${spec.name}": ${JSON.stringify(value)},}`
      })
      const lines = [
        await said([flag, value], {}, dir),
        await said([`${flag}=${value}`], {}, dir),
        await said([flag, value, 'hush'], {}, dir),
        await said([`${flag}x=${value}`], {}, dir),
        await said([`${flag}=${value}`, '--port', 'none'], {}, dir),
        await said([`${flag}=${value}`, '--help'], {}, dir),
        await said(['--config', 'none.yaml', `${flag}=${value}`], {}, dir),
        ...comesFrom(spec, 'environment')
          ? [
              await said([], { [environmentName(spec.name)]: value }, dir),
              await said(['--port', 'none'], { [environmentName(spec.name)]: value }, dir),
              await said(['--help'], { [environmentName(spec.name)]: value }, dir),
              await said([], { [`${environmentName(spec.name)}X`]: value }, dir)
            ]
          : [],
        ...await Promise.all(['plain', 'quoted', 'list', 'map', 'twice', 'broken', 'tab', 'other', 'typo'].map(async name => await said(['--config', `${name}.yaml`], {}, dir))),
        await said(['--config', 'file.json'], {}, dir)
      ]
      const shown = lines.filter(line => mark.test(line))
      if (shown.length > 0) t.same(shown, [], `${spec.name} ${JSON.stringify(value).slice(0, 30)}`)
    }
  }
})

t.test('a server at debug, with access log, in all kinds of trouble', async t => {
  const worker = await startRawWorker(t)
  const second = await startRawWorker(t)
  const dir = mkdtempSync(join(tmpdir(), 'vllm-router-secrets-'))
  t.teardown(() => { rmSync(dir, { recursive: true }) })
  const file = join(dir, 'router.yaml')
  writeFileSync(file, `worker-urls: ["${worker.url}", "${second.url}"]\napi-key: hush-key\n`)
  const running = await serve(t, '--config', file, '--log-level', 'debug', '--access-log', '--retry-max-retries', '2', '--retry-initial-backoff-ms', '1', '--max-payload-size', '5000', '--swagger-ui')
  await until('ready', async () => (await fetch(`${running.url}/readiness`)).ok)
  const port = Number(new URL(running.url).port)
  const metrics = await until('metrics', () => /metrics on (http:\S+\/metrics)/.exec(running.stdout)?.[1])
  let answers = ''
  let asked = 0

  const head = 'Host: a\r\nAuthorization: Bearer hush-bearer\r\nCookie: a=hush-cookie\r\nX-Api-Key: hush-header\r\nContent-Type: application/json\r\n'
  async function say (bytes: string, ends = false): Promise<void> {
    const client = new Conversation(port)
    client.say(bytes)
    if (ends) client.end()
    const answer = await client.answer(bytes.slice(0, 50))
    answers += (answer?.headers.join('\n') ?? '') + (answer?.body.toString() ?? '')
    client.leave()
    asked++
  }
  async function ask (path: string, method = 'GET', body?: string): Promise<void> {
    const init = body === undefined ? { method } : { method, body, headers: { 'content-type': 'application/json' } }
    const answer = await fetch(running.url + path, { ...init, headers: { ...init.headers, authorization: 'Bearer hush-bearer' } }).catch(() => undefined)
    if (answer !== undefined) answers += [...answer.headers].join('\n') + await answer.text().catch(() => '')
    asked++
  }

  for (const path of ['/get_server_info', '/get_model_info', '/workers', '/list_workers', '/get_loads', '/decisions', '/readiness', '/health', '/health_generate', '/router/openapi.json', '/router/docs/json', '/v1/models', '/none', '/%zz']) await ask(path)
  answers += await (await fetch(metrics)).text()
  t.notMatch(answers, mark, 'on no page')
  // from here on answers may repeat to a client what it sent itself
  answers = ''
  await ask('/flush_cache', 'POST')
  await ask('/finish_session?session_id=a', 'POST')
  for (const body of ['{"url":"http://u:hush@h:1"}', '{"url":"hush', '{"url":"http://h?key=hush"}', '{"labels":{"a":"hush"}}', '"hush"', '{"__proto__":"hush"}']) await ask('/workers', 'POST', body)
  await ask('/add_worker?url=http://u:hush@h', 'POST')
  await ask('/remove_worker?url=http://u:hush@h', 'POST')
  t.notMatch(answers, mark, 'in no error')

  const prompt = '{"prompt":"hush-prompt","stream":true}'
  const troubles = [
    'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
    'hush-answer that is not HTTP\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: hush\r\n\r\n', 'HTTP/1.1 200 OK\r\nX-A: \0hush\r\n\r\n', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhush-answer',
    'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n1b\r\ndata: {"text":"hush-text"}\n\n\r\nhush', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhush', ''
  ]
  for (const trouble of troubles) {
    for (const one of [worker, second]) one.answer = (_request, _response, socket) => { socket.end(trouble) }
    for (const path of ['/v1/completions', '/v1/responses', '/v1/models/other', '/tokenize', '/v1/responses/resp_1', '/other']) {
      await say(`POST ${path}?key=hush-query HTTP/1.1\r\n${head}Content-Length: ${prompt.length}\r\n\r\n${prompt}`)
      await say(`GET ${path}?key=hush-query HTTP/1.1\r\n${head}\r\n`)
    }
  }
  for (const one of [worker, second]) one.answer = (_request, response) => { response.end('{}') }
  // malformed, refused, too large, cut short
  for (const bytes of [
    `POST /v1/completions HTTP/1.1\r\n${head}Content-Length: 10\r\nContent-Length: 11\r\n\r\nhush`, `GET /x HTTP/1.1\r\n${head}X-A : hush\r\n\r\n`, 'hush\r\n\r\n', `GET /x HTTP/1.1\r\n${head}X-Long: ${'hush'.repeat(5000)}\r\n\r\n`,
    `POST /v1/completions HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\nhush`, `POST /v1/completions HTTP/1.1\r\n${head}Content-Length: 6000\r\n\r\nhush`, `POST /v1/completions HTTP/1.1\r\n${head}Content-Length: 400\r\n\r\nhush`,
    `POST /v1/completions HTTP/1.1\r\n${head}Content-Length: 29\r\n\r\n{"kv_transfer_params":"hush"}`, `GET http://u:hush@h/x HTTP/1.1\r\n${head}\r\n`, `GET /x HTTP/1.1\r\n${head}Connection: authorization\r\n\r\n`,
    `CONNECT hush:1 HTTP/1.1\r\n${head}\r\n`, `GET /x HTTP/1.1\r\n${head}Expect: hush\r\n\r\n`, `GET /x HTTP/1.1\r\n${head}X-Request-Id: hush hush\r\n\r\n`
  ]) await say(bytes, true)
  await worker.close()
  await second.close()
  await say(`POST /v1/completions?key=hush-query HTTP/1.1\r\n${head}Content-Length: ${prompt.length}\r\n\r\n${prompt}`)
  await say(`POST /tokenize?key=hush-query HTTP/1.1\r\n${head}Content-Length: ${prompt.length}\r\n\r\n${prompt}`)

  // a reload that fails over the secret itself, or beside it
  for (const text of ['api-key: hush hush\n', 'api-key: [hush]\n', 'api-key: "hush\n', 'api-key: hush-other\nport: none\n', 'api-key: hush-other\n']) {
    const before = running.stdout.length
    writeFileSync(file, text)
    running.child.kill('SIGHUP')
    await until('it has read the file', () => /option/.test(running.stdout.slice(before)), 15_000)
  }
  running.child.kill('SIGTERM')
  await running.ended
  t.ok(asked > 100)
  t.match(running.stdout, /"msg":"call settled"/)
  t.match(running.stdout, /"msg":"request"/)
  t.match(running.stdout, /"type":"HTTPParserError"/)
  t.same((running.stdout + running.stderr).match(/.{0,300}hush.{0,50}/gi), null, 'in no line of the log')
})

t.test('help, and a start that fails, with every secret in the environment', async t => {
  const variables = Object.fromEntries(secrets.filter(spec => comesFrom(spec, 'environment')).map(spec => [environmentName(spec.name), 'hush']))
  for (const [flags, says] of [[['--help'], /--api-key/], [['--prometheus-port', '0', '--host', '192.0.2.1'], /no address of this machine/]] as const) {
    const shown = await promisify(execFile)(...untapped(process.execPath, [server, ...flags]), { env: { ...environment, ...variables }, cwd: t.testdir(), timeout: 20_000 })
      .then(({ stdout, stderr }) => stdout + stderr, (error: { stdout: string, stderr: string }) => error.stdout + error.stderr)
    t.match(shown, says)
    t.notMatch(shown, mark)
  }
})
