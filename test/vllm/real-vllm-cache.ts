// A real vLLM finds the same tokens in its prefix cache as the engine of replays, with room and with a cache that is too small. Run by `npm run test:vllm`.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { askAll, replayed } from '../helpers/prefix-sequence.ts'
import { drawModel, findVllm, modelName, startVllm } from './vllm-server.ts'

const vllm = findVllm()
if (vllm === undefined) {
  process.stdout.write('skipped: vLLM is not installed here (no `vllm` on the PATH; VLLM=/path/to/vllm names one)\n')
  process.exit(0)
}

interface Answer { choices: Array<{ token_ids: number[] }>, usage: { prompt_tokens_details?: { cached_tokens: number } | null } }

/** Tokens in a block; the attention of the CPU build needs a multiple of 32. */
const blockSize = 32
/** Blocks that vLLM counts and keeps for itself: its null block. */
const own = 1

const directory = mkdtempSync(join(tmpdir(), 'vllm-router-test-'))
const model = join(directory, 'model')
t.setTimeout(1_500_000)
t.comment(`drawing the tiny model; logs in ${directory}`)
drawModel(vllm, model)

for (const [name, blocks] of [['with room for everything', 2000], ['with a cache that is too small', 66]] as const) {
  await t.test(name, async t => {
    const server = await startVllm(vllm, model, directory, { args: ['--num-gpu-blocks-override', String(blocks)] })
    t.teardown(() => server.stop())
    const asked = await askAll(async (prompt, maxTokens) => {
      const response = await fetch(server.url + '/v1/completions', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: modelName, prompt, max_tokens: maxTokens, ignore_eos: true, temperature: 0, return_token_ids: true })
      })
      if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
      const { choices: [choice], usage } = await response.json() as Answer
      return { output: choice?.token_ids ?? [], cached: usage.prompt_tokens_details?.cached_tokens ?? 0 }
    }, { seed: 5, requests: 150, conversations: 8, vocabulary: 90, system: 160, longest: 1200, answer: 40 })
    const real = asked.map(({ cached }) => cached)
    const modelled = replayed(asked, blockSize, blocks - own)
    const total = asked.reduce((sum, { prompt }) => sum + prompt.length, 0)
    const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)
    t.comment(`prompt tokens ${total}; found by vLLM ${sum(real)}, by the engine of replays ${sum(modelled)}; other counts in ${real.filter((cached, at) => cached !== modelled[at]).length} of ${asked.length} prompts`)
    t.same(modelled, real)
  })
}
