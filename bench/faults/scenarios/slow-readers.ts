// Clients that read a kilobyte a second of streams that could flow at full speed: they cost the router next to no memory, and others nothing.
import { flagsFor } from '../configuration.ts'
import { atMost, mb, ms } from '../figures.ts'
import { startFleet } from '../fleet.ts'
import { Load, tally, ttft } from '../load.ts'
import { startPlainWorker } from '../plain-fleet.ts'
import { open, post } from '../raw.ts'
import { startRouter } from '../router.ts'
import type { Scenario } from '../scenario.ts'
import { pause, until } from '../wait.ts'

const workers = 7

/** Slow readers beside a mixed load. */
export const slowReaders: Scenario = async (scale, policy) => {
  const began = performance.now()
  const [fleet, firehose] = await Promise.all([startFleet(workers), startPlainWorker()])
  const router = await startRouter([...fleet.urls, firehose.url], [...flagsFor(scale.patience), '--policy', policy], { gc: true })
  const readers = new Set<ReturnType<typeof open>>()
  const sip = setInterval(() => { for (const socket of readers) socket.read(100) }, 100)
  try {
    await router.ready(workers + 1)
    const load = new Load({ to: () => router.url, perSecond: scale.perSecond / 2 })
    await pause(scale.calmMs + scale.slowReadersMs)
    const alone = load.now
    const before = await router.memory(true)
    const bytes = post('/v1/chat/completions', JSON.stringify({ model: 'plain', stream: true, flood: true, messages: [{ role: 'user', content: 'all of it' }] }))
    for (let i = 0; i < scale.slowReaders; i++) {
      const socket = open(router.url)
      readers.add(socket)
      socket.once('close', () => readers.delete(socket))
      socket.write(bytes)
      // paused mode: the kernel's buffers fill, then the router's
      socket.on('readable', () => {})
    }
    await until('all streams flow', async () => (await router.workers()).find(({ url }) => url === firehose.url)?.in_flight === scale.slowReaders)
    const came = load.now
    let peak = before.rss
    let poured = await firehose.poured()
    // first the kernel's buffers fill, as fast as bytes go; that is a flood and not a slow reader
    while (true) {
      await pause(250)
      peak = Math.max(peak, (await router.memory()).rss)
      const now = await firehose.poured()
      const still = now - poured < 4e6
      poured = now
      if (still || load.now - came > scale.slowReadersMs * 2) break
    }
    const full = load.now
    while (load.now < full + scale.slowReadersMs) {
      await pause(scale.slowReadersMs / 10)
      peak = Math.max(peak, (await router.memory()).rss)
    }
    const besideUntil = load.now
    const held = await router.memory(true)
    const still = readers.size
    const outcomes = await load.stop()
    for (const socket of readers) socket.destroy()
    await until('no lease is left', async () => (await router.workers()).every(({ in_flight: inFlight }) => inFlight === 0))
    const quiet = ttft(outcomes, 0, alone)
    const beside = ttft(outcomes, full, besideUntil)
    const all = tally(outcomes)
    return {
      scenario: 'slow-readers',
      policy,
      seconds: (performance.now() - began) / 1000,
      figures: {
        readers: `${still} of ${scale.slowReaders} still reading`,
        'buffers on the way filled in': `${((full - came) / 1000).toFixed(1)} s and ${mb(poured)}`,
        'held after garbage collection': `${((held.heapUsed + held.external - before.heapUsed - before.external) / scale.slowReaders / 1000).toFixed(0)} kB for each`,
        'RSS before, peak, at the end': [before.rss, peak, held.rss].map(mb).join(', '),
        'others\' TTFT p99 without them': ms(quiet.p99),
        'others\' TTFT p99 beside them': ms(beside.p99),
        'while buffers filled': ms(ttft(outcomes, came, full).p99),
        ...(all.reasons === '' ? {} : { reasons: all.reasons })
      },
      bars: [
        atMost('RSS growth', (held.rss - before.rss) / 1e6, 60, ' MB', 1),
        ...(scale.short ? [] : [atMost('others\' TTFT p99 ratio', beside.p99 / quiet.p99, 1.2, ' ×', 2)]),
        atMost('others\' failed requests', all.refused + all.broken, 0)
      ]
    }
  } finally {
    clearInterval(sip)
    for (const socket of readers) socket.destroy()
    await Promise.all([router.close(), fleet.close(), firehose.close()])
  }
}
