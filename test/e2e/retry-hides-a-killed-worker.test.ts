// Of eight workers under load one dies and one resets every connection: with any policy no client whose answer had not begun notices.
import t from 'tap'
import { policyNames } from '../../policies/index.ts'
import { chat, post } from '../helpers/client.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'

for (const policy of policyNames) {
  t.test(policy, async t => {
    const workers = await startWorkers(t, 8, { interTokenLatencyMs: 2 })
    const { url, router } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), policy })
    let asked = 0
    let errors = 0
    let begun = 0
    let attempts = 0
    router.balancer.on('assigned', () => { attempts++ })
    const total = 300
    async function client (): Promise<void> {
      while (asked < total) {
        const n = asked++
        if (n === 60) await workers[4]?.app.simulator.failures.set({ mode: 'refuse' })
        if (n === 120) await workers[2]?.app.simulator.failures.set({ mode: 'reset' })
        const stream = n % 3 === 0
        const response = await post(url + (n % 5 === 4 ? '/tokenize' : '/v1/chat/completions'),
          n % 5 === 4 ? { prompt: 'a' } : chat(`conversation ${n % 40}`, { stream }), { 'x-session-id': `s-${n % 40}` })
        const text = await response.text().catch(() => 'broken')
        if (response.status !== 200) errors++
        // cut by the death of its worker after the first byte
        else if (text.includes('stream_broken') || text === 'broken') begun++
      }
    }
    await Promise.all(Array.from({ length: 16 }, client))
    t.equal(errors, 0, `${errors} errors, ${begun} of 16 cut within their answer, ${attempts} attempts at ${asked} requests`)
    t.ok(begun <= 16, 'only what ran when it died may break')
    t.ok(attempts > asked, 'some were tried again')
    t.ok(router.workers.list().every(worker => worker.inFlight === 0))
  })
}
