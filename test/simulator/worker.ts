// A simulated worker for the tests of the simulator itself, and the calls these make.
import type { Test } from 'tap'
import { startSimulator, type StartedSimulator, type StartOptions } from '../../simulator/index.ts'

/** A fast worker that ends with the test. */
export async function worker (t: Test, options: StartOptions = {}): Promise<StartedSimulator> {
  const started = await startSimulator({ interTokenLatencyMs: 1, prefillRate: 1e6, ...options })
  t.teardown(() => started.close())
  return started
}

/** POSTs JSON. */
export function post (url: string, body: unknown, headers: Record<string, string> = {}, signal?: AbortSignal): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal })
  })
}

/** The `data:` payloads of an event stream; `[DONE]` stays text. */
export async function events (response: Response): Promise<unknown[]> {
  const parts = (await response.text()).split('\n\n')
  if (parts.pop() !== '') throw new Error('the stream does not end with an empty line')
  return parts.map(part => {
    const data = part.split('\n').find(line => line.startsWith('data: '))?.slice(6) ?? ''
    return data === '[DONE]' ? data : JSON.parse(data) as unknown
  })
}

/** The value at a dotted path; undefined where the path ends early. */
export function at (value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((here, name) => (here as Record<string, unknown> | null | undefined)?.[name], value)
}

/** A chat of one message. */
export function chat (content: string, more: object = {}): object {
  return { model: 'simulated', messages: [{ role: 'user', content }], ...more }
}

/** A text of exactly `tokens` tokens. */
export function words (tokens: number): string {
  return Array.from({ length: tokens }, (_, index) => ` w${index % 90 + 10}`).join('')
}
