// What a person sees first: where the router listens, what it does, and which workers it has.
import type { FastifyInstance } from 'fastify'

/** Workers listed one by one; more are counted only. */
const listed = 16

/** Resolves when every worker has been checked once, or after `deadlineMs`. */
export async function settled (router: FastifyInstance, deadlineMs: number): Promise<void> {
  const end = performance.now() + deadlineMs
  // workers of two pools are known when they have told how many ranks they have
  const isEarly = (): boolean => router.workers.list().some(worker => worker.state === 'starting') || (router.balancer.answeringRole === 'decode' && router.workers.size === 0)
  while (isEarly() && performance.now() < end) {
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

function policies ({ balancer }: FastifyInstance): string {
  if (balancer.answeringRole === 'regular') return balancer.policy.name
  return `${balancer.policyOf('prefill').name} for prefill, ${balancer.policyOf('decode').name} for decode`
}

/** Where the server listens. */
export interface Addresses {
  readonly address: string
  /** Of the admin listener, if there is one. */
  readonly admin: string | undefined
}

/** The summary, ending in a line break. */
export function summary (router: FastifyInstance, { address, admin }: Addresses, simulated: boolean): string {
  const workers = router.workers.list()
  const looking = router.discovery.map(({ name }) => name).filter(name => name !== 'static')
  const none = looking.length > 0 ? `none yet: looking for them in ${looking.join(', ')}` : `none yet: add some with ${router.balancer.answeringRole === 'decode' ? '--prefill and --decode' : '--worker-urls'}, or POST /workers while it runs`
  const lines = [
    '',
    `  vllm-router listens on ${address}`,
    `  policy     ${policies(router)}`,
    `  metrics    ${router.metricsAddress}/metrics`,
    ...(admin === undefined ? [] : [`  admin      ${admin}/workers`]),
    `  workers    ${workers.length === 0 ? none : workers.length}`,
    ...workers.slice(0, listed).map(worker => `    ${worker.id}  ${worker.role === 'regular' ? '' : `${worker.role} `}${worker.state}${worker.state === 'ready' ? '' : ` (${worker.reason})`}`),
    ...(workers.length > listed ? [`    and ${workers.length - listed} more`] : [])
  ]
  if (simulated) {
    const [model = 'simulated'] = router.workers.models().keys()
    lines.push(
      '',
      '  These workers are simulated: they run inside this process and answer with made-up words.',
      '  Give --worker-urls http://HOST:PORT ... to serve real ones. Try it:',
      '',
      `  curl -N ${address}/v1/chat/completions -H 'Content-Type: application/json' -d '${JSON.stringify({
        model, stream: true, max_tokens: 32, messages: [{ role: 'user', content: 'Hello!' }]
      })}'`
    )
  }
  return lines.join('\n') + '\n\n'
}
