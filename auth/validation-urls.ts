// Asks validation URLs whether a token is good.
import type { Dispatcher } from 'undici'
import { get } from './get.ts'

/** What one URL says; `failed` is anything but a clear yes or no. */
export type Validation = 'valid' | 'invalid' | 'failed'

/** What asking needs. */
export interface ValidationOptions {
  readonly dispatcher: Dispatcher
  /** Read anew at every question. */
  readonly settings: () => { readonly urls: readonly string[], readonly timeoutMs: number }
  /** Told of every call, with its length in milliseconds. */
  readonly called?: (answer: Validation, milliseconds: number) => void
  /** Told when a URL begins to fail, with the reason, and when it answers again. */
  readonly changed?: (url: string, problem: string | undefined) => void
}

/** Nobody reads the answer's body; a longer one is cut off. */
const longestBody = 65_536

/** The validation URLs of a router. */
export class ValidationUrls {
  private readonly options: ValidationOptions
  private readonly failing = new Set<string>()

  constructor (options: ValidationOptions) {
    this.options = options
  }

  /**
   * Asks the URLs in their order: the first yes counts. No only when every one of them said no; when one failed and none said
   * yes, nobody knows.
   */
  async ask (token: string): Promise<'valid' | 'invalid' | 'unavailable'> {
    const { urls, timeoutMs } = this.options.settings()
    let failed = false
    for (const url of urls) {
      const answer = await this.call(url, token, timeoutMs)
      if (answer === 'valid') return 'valid'
      if (answer === 'failed') failed = true
    }
    return failed ? 'unavailable' : 'invalid'
  }

  private async call (url: string, token: string, timeoutMs: number): Promise<Validation> {
    const startedAt = performance.now()
    let answer: Validation = 'failed'
    let problem: string | undefined
    try {
      const { status } = await get(url, { dispatcher: this.options.dispatcher, headers: { authorization: `Bearer ${token}` }, timeoutMs, limit: longestBody })
      if (status === 200) answer = 'valid'
      else if (status === 401 || status === 403) answer = 'invalid'
      else problem = `it answered ${status}`
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error)
    }
    this.options.called?.(answer, performance.now() - startedAt)
    this.note(url, problem)
    return answer
  }

  private note (url: string, problem: string | undefined): void {
    if (problem === undefined ? !this.failing.delete(url) : this.failing.has(url)) return
    if (problem !== undefined) this.failing.add(url)
    this.options.changed?.(url, problem)
  }
}
