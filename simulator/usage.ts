// The `usage` objects of vLLM's answers.

export interface Usage {
  readonly prompt_tokens: number
  readonly total_tokens: number
  readonly completion_tokens: number
  readonly prompt_tokens_details: { readonly cached_tokens: number, readonly created_cache_tokens: number } | null
}

/** `cached` is undefined where the worker does not tell. */
export function usageOf (promptTokens: number, completionTokens: number, cached?: number): Usage {
  return {
    prompt_tokens: promptTokens,
    total_tokens: promptTokens + completionTokens,
    completion_tokens: completionTokens,
    prompt_tokens_details: cached === undefined ? null : { cached_tokens: cached, created_cache_tokens: 0 }
  }
}
