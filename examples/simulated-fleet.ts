// A whole fleet in one process: two simulated workers, the router before them, and one streamed OpenAI call.
// In a project of your own, import from 'fastify-vllm-router' and 'fastify-vllm-router/simulator'.
import Fastify from 'fastify'
import vllmRouter from '../router.ts'
import { startSimulator } from '../simulator/index.ts'

/** Runs it; gives what `print` is given to standard output. */
export async function main (print: (text: string) => void): Promise<void> {
  const workers = await Promise.all([startSimulator(), startSimulator()])
  const app = Fastify()
  await app.register(vllmRouter, { workerUrls: workers.map(worker => worker.url) })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  // the server listens at once; a moment later its workers have been checked
  while (!(await fetch(`${address}/readiness`)).ok) await new Promise(resolve => setTimeout(resolve, 10))

  const answer = await fetch(`${address}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-vllm-router-explain': '1' },
    body: JSON.stringify({ model: 'simulated', stream: true, max_tokens: 5, messages: [{ role: 'user', content: 'Hello!' }] })
  })
  print(`${answer.headers.get('x-vllm-router-decision')}\n`)
  print(await answer.text())

  await app.close()
  await Promise.all(workers.map(worker => worker.close()))
}

if (process.argv[1] === import.meta.filename) await main(text => process.stdout.write(text))
