// Clients that leave at random moments leave nothing behind: no lease in the router, no sequence on a worker.
import { flagsFor } from '../configuration.ts'
import { atMost } from '../figures.ts'
import { startFleet } from '../fleet.ts'
import { randomFrom } from '../random.ts'
import { open, post } from '../raw.ts'
import { startRouter } from '../router.ts'
import type { Scenario } from '../scenario.ts'
import { pause } from '../wait.ts'

const workers = 3
const atOnce = 48

/** Random disconnects, one worker of three failing in part of its answers so that some clients leave between two attempts. */
export const disconnects: Scenario = async (scale, policy) => {
  const began = performance.now()
  const fleet = await startFleet(workers)
  const router = await startRouter(fleet.urls, [...flagsFor(scale.patience), '--policy', policy])
  const random = randomFrom(5)
  const some = (below: number): number => Math.floor(random() * below)

  async function visit (): Promise<void> {
    const path = ['/v1/chat/completions', '/v1/completions', '/tokenize', '/v1/embeddings'][some(4)] ?? '/'
    const words = `hello ${some(100)}`
    const bytes = post(path, JSON.stringify({ model: 'simulated', stream: some(2) === 0, max_tokens: 1 + some(10), messages: [{ role: 'user', content: words }], prompt: words, input: words }))
    const sent = some(6) === 0 ? bytes.subarray(0, some(bytes.length)) : bytes
    const socket = open(router.url)
    const closed = new Promise<void>(resolve => { socket.once('close', () => resolve()) })
    if (some(4) === 0) socket.pause()
    else socket.resume()
    socket.write(sent, () => {
      setTimeout(() => { some(2) === 0 ? socket.resetAndDestroy() : socket.destroy() }, random() * 80)
    })
    await closed
  }

  try {
    await router.ready(workers)
    let left = scale.disconnects
    const over = new AbortController()
    const troubling = (async () => {
      while (!over.signal.aborted) {
        await fleet.fail([0], { mode: 'status', status: 503, count: 3 })
        await pause(50)
      }
      await fleet.fail([0], { mode: 'none' })
    })()
    await Promise.all(Array.from({ length: atOnce }, async () => {
      while (left-- > 0) await visit()
    }))
    over.abort()
    await troubling
    let leases = Infinity
    let sequences = Infinity
    for (let patience = 0; patience < 300 && leases + sequences > 0; patience++) {
      leases = (await router.workers()).reduce((sum, { in_flight: inFlight }) => sum + inFlight, 0)
      sequences = await fleet.load()
      await pause(10)
    }
    return {
      scenario: 'disconnects',
      policy,
      seconds: (performance.now() - began) / 1000,
      figures: { clients: String(scale.disconnects), 'attempts at workers': String(await router.attempts()) },
      bars: [atMost('leases left', leases, 0), atMost('sequences left on workers', sequences, 0)]
    }
  } finally {
    await Promise.all([router.close(), fleet.close()])
  }
}
