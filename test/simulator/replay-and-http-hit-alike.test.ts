// The engine of replays, in virtual time and with blocks for prompts, finds the same tokens in its cache as the worker over HTTP.
import t from 'tap'
import { tokenize } from '../../simulator/tokens.ts'
import { post } from '../helpers/client.ts'
import { askAll, replayed } from '../helpers/prefix-sequence.ts'
import { startWorkers } from '../helpers/router.ts'

interface Answer { choices: Array<{ text: string }>, usage: { prompt_tokens_details?: { cached_tokens: number } | null } }

for (const [name, kvBlocks] of [['with room for everything', 4096], ['with a cache that is too small', 40]] as const) {
  t.test(name, { timeout: 60_000 }, async t => {
    const [worker] = await startWorkers(t, 1, { blockSize: 16, kvBlocks, interTokenLatencyMs: 0, interTokenSlopeMs: 0, prefillRate: Infinity })
    const asked = await askAll(async (prompt, maxTokens) => {
      const answer = await (await post(`${worker?.url}/v1/completions`, { model: 'simulated', prompt, max_tokens: maxTokens, ignore_eos: true })).json() as Answer
      return { output: tokenize(answer.choices[0]?.text ?? ''), cached: answer.usage.prompt_tokens_details?.cached_tokens ?? 0 }
    }, { seed: 5, requests: 100, conversations: 8, vocabulary: 90, system: 80, longest: 400, answer: 10 })
    t.same(replayed(asked, 16, kvBlocks), asked.map(({ cached }) => cached))
    const found = asked.reduce((sum, { cached }) => sum + cached, 0) / asked.reduce((sum, { prompt }) => sum + prompt.length, 0)
    t.ok(kvBlocks > 1000 ? found > 0.7 : found > 0.2 && found < 0.65, `${(100 * found).toFixed(0)} % found`)
  })
}
