// Reads how many tokens a response took (and its id) out of its bytes in passing, streamed or not, changing and delaying none.
import { KeyCapture } from './capture.ts'

/** Longest `usage` object that is read. */
const maxUsageBytes = 16_384
/** Longest response id that is read, its quotes included. */
const maxIdBytes = 258

/** What the engine said a request took; undefined where it did not say. */
export interface Usage {
  readonly promptTokens: number | undefined
  readonly completionTokens: number | undefined
  /** Prompt tokens that were in the KV cache already. */
  readonly cachedTokens: number | undefined
}

/** What to read beside the usage. */
export interface UsageReaderOptions {
  /** Also keep the first `id` that begins so (`resp_`). */
  readonly wantId?: string
}

/**
 * Fed a response's chunks, knows its usage at the end, in the names of chat and text completions, of responses and of Anthropic
 * messages. The last `usage` object counts; what it leaves out is taken from the first (Anthropic's streams state the
 * input at the beginning). Only those two are parsed, at the end, and no more than they and one in the making are held.
 */
export class UsageReader {
  private first: string | undefined
  private last: string | undefined
  private foundId: string | undefined
  private readonly usage: KeyCapture
  private readonly ids: KeyCapture | undefined

  constructor (options: UsageReaderOptions = {}) {
    const { wantId } = options
    this.usage = new KeyCapture('usage', 'object', maxUsageBytes, text => {
      this.first ??= text
      this.last = text
    })
    this.ids = wantId === undefined
      ? undefined
      : new KeyCapture('id', 'string', maxIdBytes, text => {
        if (this.foundId === undefined && text.startsWith(wantId, 1)) this.foundId = text.slice(1, -1)
      })
  }

  /** The response's id, as soon as it was seen. */
  get id (): string | undefined {
    return this.foundId
  }

  /** Takes note of the next bytes of the response, wherever they were cut. */
  push (chunk: Buffer): void {
    this.usage.push(chunk)
    if (this.ids !== undefined && this.foundId === undefined) this.ids.push(chunk)
  }

  /** The usage as far as it was seen; may be called when a response was cut off, too. */
  end (): Usage {
    const last = readUsage(this.last)
    if (this.first === this.last) return last
    const first = readUsage(this.first)
    return {
      promptTokens: last.promptTokens ?? first.promptTokens,
      completionTokens: last.completionTokens ?? first.completionTokens,
      cachedTokens: last.cachedTokens ?? first.cachedTokens
    }
  }
}

function readUsage (text: string | undefined): Usage {
  const usage = parseObject(text)
  const details = record(usage['prompt_tokens_details']) ?? record(usage['input_tokens_details']) ?? {}
  return {
    promptTokens: count(usage['prompt_tokens']) ?? count(usage['input_tokens']),
    completionTokens: count(usage['completion_tokens']) ?? count(usage['output_tokens']),
    cachedTokens: count(details['cached_tokens']) ?? count(usage['cache_read_input_tokens'])
  }
}

function parseObject (text: string | undefined): Record<string, unknown> {
  if (text === undefined) return {}
  try {
    return record(JSON.parse(text)) ?? {}
  } catch {
    return {}
  }
}

function record (value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null ? { ...value } : undefined
}

function count (value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined
}
