// Engines as the replay models them: how much they keep and how fast they are, each figure with where it comes from.
import type { EngineOptions } from '../../simulator/engine-options.ts'

/** A named engine. */
export interface Profile {
  /** What it stands for, and the source of its figures. */
  readonly about: string
  /** Tokens whose keys and values fit into the KV cache. */
  readonly kvTokens: number
  /** Bytes of keys and values a token takes. */
  readonly kvBytes: number
  /** All but the size of the cache, which is counted in blocks of the trace. */
  readonly engine: Omit<EngineOptions, 'blockSize' | 'kvBlocks'>
}

export const profiles = {
  'qwen3-32b-2xh100': {
    about: 'Qwen3-32B in BF16 on two H100. Prefill 20,480 tokens/s: peak rate for this model in llm-d\'s post "Sticky until saturated" (2026-08-17). KV cache 174,000 tokens: ' +
      '365 GB over 8 pods in llm-d\'s post on KV-cache wins (2025-09-24) at 262,144 bytes a token (64 layers, 8 KV heads of 128, keys and values in 2 bytes). Step: 64 GB of weights read at 70 % of 6.7 TB/s; 0.1 ms a sequence for its part of the cache.',
    kvTokens: 174_000,
    kvBytes: 262_144,
    engine: { prefillRate: 20_480, interTokenLatencyMs: 14, interTokenSlopeMs: 0.1, maxNumSeqs: 256, maxNumBatchedTokens: 8192 }
  },
  'llama-3.1-8b-h100': {
    about: 'Llama 3.1 8B in BF16 on one H100. KV cache: 80 GB at 0.9, less 16 GB of weights and 4 GB for activations, at 131,072 bytes a token (32 layers, 8 KV heads of 128). Prefill: 2 × 8.0e9 operations a token at 65 % of ' +
      '989 TFLOPS dense BF16 (NVIDIA H100 SXM data sheet), attention left out. Step: 16 GB of weights at 70 % of 3.35 TB/s.',
    kvTokens: 396_000,
    kvBytes: 131_072,
    engine: { prefillRate: 40_000, interTokenLatencyMs: 7, interTokenSlopeMs: 0.05, maxNumSeqs: 256, maxNumBatchedTokens: 8192 }
  },
  'qwen3-coder-480b-8xh200': {
    about: 'Qwen3-Coder-480B-A35B in FP8 on eight H200, for prompts of 100,000 tokens. KV cache: 8 × 141 GB at 0.9, less 480 GB of weights and 30 GB for activations, at 253,952 bytes a token (62 layers, 8 KV heads of 128, keys and values in 2 bytes). ' +
      'Prefill: 2 × 35e9 operations a token for the weights and 4 × 62 × 96 × 128 × 50,000 for attention half way through such a prompt, at 45 % of 8 × 989 TFLOPS dense BF16 (NVIDIA H200 data sheet). Step: 35 GB of active weights and as much again for further experts at 60 % of 8 × 4.8 TB/s, ' +
      'and 7 ms of communication; 1 ms a sequence for its 25 GB of the cache.',
    kvTokens: 1_990_000,
    kvBytes: 253_952,
    engine: { prefillRate: 16_000, interTokenLatencyMs: 10, interTokenSlopeMs: 1, maxNumSeqs: 256, maxNumBatchedTokens: 8192 }
  }
} as const satisfies Record<string, Profile>

export type ProfileName = keyof typeof profiles

/** Engine options for a trace's blocks. */
export function engineFor (profile: Profile, blockSize: number): EngineOptions {
  return { ...profile.engine, blockSize, kvBlocks: Math.max(1, Math.floor(profile.kvTokens / blockSize)) }
}
