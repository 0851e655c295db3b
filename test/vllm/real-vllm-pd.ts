// One prefill and two decode servers of real vLLM with real NIXL transfers (over TCP) behind the router. Run by `npm run test:vllm-pd`.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import OpenAI from 'openai'
import { startRouter } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'
import { drawModel, findVllm, freePort, modelName, startVllm } from './vllm-server.ts'
import type { VllmServer } from './vllm-server.ts'

const vllm = findVllm()
if (vllm === undefined) {
  process.stdout.write('skipped: vLLM is not installed here (no `vllm` on the PATH; VLLM=/path/to/vllm names one)\n')
  process.exit(0)
}

const directory = mkdtempSync(join(tmpdir(), 'vllm-router-test-'))
const model = join(directory, 'model')
t.setTimeout(1_500_000)
t.comment(`drawing the tiny model; logs in ${directory}`)
drawModel(vllm, model)

async function startNixl (role: 'kv_producer' | 'kv_consumer'): Promise<VllmServer> {
  const server = await startVllm(vllm ?? '', model, directory, {
    args: ['--kv-transfer-config', JSON.stringify({ kv_connector: 'NixlConnector', kv_role: role, kv_buffer_device: 'cpu' })],
    environment: {
      UCX_TLS: 'tcp,self,sm', UCX_NET_DEVICES: 'lo', VLLM_NIXL_SIDE_CHANNEL_HOST: '127.0.0.1', VLLM_NIXL_SIDE_CHANNEL_PORT: String(await freePort())
    }
  })
  t.teardown(() => server.stop())
  return server
}

const started = performance.now()
const prefill = await startNixl('kv_producer')
const decodes = await Promise.all([startNixl('kv_consumer'), startNixl('kv_consumer')])
t.comment(`three vLLM servers answer after ${Math.round((performance.now() - started) / 1000)} s`)

const { url, router } = await startRouter(t, {
  vllmPdDisaggregation: true,
  prefill: [prefill.url],
  decode: decodes.map(server => server.url),
  policy: 'round_robin',
  // prompts here are a few hundred tokens, and each is to be split
  pdMinUncachedTokens: 0,
  firstByteTimeoutSecs: 30
})
const client = new OpenAI({ baseURL: url + '/v1', apiKey: 'any', maxRetries: 0 })
const direct = new OpenAI({ baseURL: prefill.url + '/v1', apiKey: 'any', maxRetries: 0 })

let prompts = 0
const prompt = (): string => `${++prompts} the quick brown fox jumps over the lazy dog again and again until the day is over `.repeat(4)
const external = async (): Promise<number> => (await Promise.all(decodes.map(server => server.metric('vllm:external_prefix_cache_hits_total').catch(() => 0)))).reduce((a, b) => a + b)

/** The same request by each way of asking; what comes is its text. */
const ways: ReadonlyArray<[name: string, ask: (from: OpenAI, text: string) => Promise<{ text: string, prompt: number | undefined, completion: number | undefined }>]> = [
  ['chat', async (from, text) => {
    const answer = await from.chat.completions.create({ model: modelName, temperature: 0, max_tokens: 12, messages: [{ role: 'user', content: text }] })
    return { text: answer.choices[0]?.message.content ?? '', prompt: answer.usage?.prompt_tokens, completion: answer.usage?.completion_tokens }
  }],
  ['chat, streamed', async (from, text) => {
    const stream = await from.chat.completions.create({
      model: modelName, temperature: 0, max_completion_tokens: 12, stream: true, stream_options: { include_usage: true }, messages: [{ role: 'user', content: text }]
    })
    const parts: string[] = []
    let usage: OpenAI.CompletionUsage | null | undefined
    for await (const chunk of stream) {
      parts.push(chunk.choices[0]?.delta.content ?? '')
      usage = chunk.usage ?? usage
    }
    return { text: parts.join(''), prompt: usage?.prompt_tokens, completion: usage?.completion_tokens }
  }],
  ['completions', async (from, text) => {
    const answer = await from.completions.create({ model: modelName, temperature: 0, max_tokens: 12, prompt: text })
    return { text: answer.choices[0]?.text ?? '', prompt: answer.usage?.prompt_tokens, completion: answer.usage?.completion_tokens }
  }],
  ['completions, streamed', async (from, text) => {
    const stream = await from.completions.create({ model: modelName, temperature: 0, max_tokens: 12, stream: true, stream_options: { include_usage: true }, prompt: text })
    const parts: string[] = []
    let usage: OpenAI.CompletionUsage | null | undefined
    for await (const chunk of stream) {
      parts.push(chunk.choices[0]?.text ?? '')
      usage = chunk.usage ?? usage
    }
    return { text: parts.join(''), prompt: usage?.prompt_tokens, completion: usage?.completion_tokens }
  }]
]

for (const [name, ask] of ways) {
  await t.test(name, async t => {
    for (let round = 0; round < 2; round++) {
      const text = prompt()
      const before = await external()
      const split = await ask(client, text)
      // vLLM publishes what it counted a little after the answer
      const hits = await until('prompt tokens came over', async () => {
        const came = await external() - before
        return came > 0 && came
      })
      const plain = await ask(direct, text)
      t.equal(split.text, plain.text, 'the text of a plain run')
      t.equal(split.prompt, plain.prompt, 'prompt tokens')
      t.equal(split.completion, plain.completion, 'completion tokens')
      t.ok(hits >= (plain.prompt ?? Infinity) - 32, `${hits} of ${plain.prompt} prompt tokens came over`)
    }
  })
}

await t.test('what makes no KV is asked of one decode server', async t => {
  const answer = await fetch(url + '/tokenize', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ model: modelName, prompt: 'hello' }) })
  t.equal(answer.status, 200)
  const refused: unknown = await client.chat.completions.create({ model: 'nope', messages: [{ role: 'user', content: 'x' }] }).catch((error: unknown) => error)
  t.match(refused, { status: 404 })
})

/** Kills a server while requests are under way; those that had no first byte yet must all be answered. */
async function killed (t: Test, victim: VllmServer): Promise<void> {
  const asked = Array.from({ length: 12 }, async (_, at) => {
    await new Promise(resolve => setTimeout(resolve, at * 100))
    return (await client.chat.completions.create({ model: modelName, temperature: 0, max_tokens: 12, messages: [{ role: 'user', content: prompt() }] })).usage?.completion_tokens
  })
  await new Promise(resolve => setTimeout(resolve, 450))
  const { pid } = victim.process
  if (pid === undefined) throw new Error('no server to kill')
  process.kill(-pid, 'SIGKILL')
  const results = await Promise.allSettled(asked)
  const errors = results.flatMap(result => result.status === 'rejected' ? [String(result.reason)] : [])
  t.same(errors, [], 'no client sees an error')
  t.ok(router.workers.list().every(worker => worker.inFlight === 0), 'no lease is left')
}

await t.test('a killed decode server costs no client an error', async t => {
  const [victim] = decodes
  if (victim !== undefined) await killed(t, victim)
})

await t.test('a killed prefill server costs no client an error', async t => {
  await killed(t, prefill)
})
