// The first example of docs/disaggregation.md works as it stands, but for its ports.
import t from 'tap'
import { run } from '../server/binary.ts'
import { until } from '../helpers/until.ts'
import { blocks } from './blocks.ts'

t.setTimeout(90_000)

t.test('three commands and a curl', async t => {
  const of = (info: string): string => blocks().find(block => block.page === 'docs/disaggregation.md' && block.info === info)?.text ?? ''
  const urls = new Map<string, string>()
  const placed = (text: string): string => [...urls].reduce((sum, [from, to]) => sum.replaceAll(from, to), text)
  for (const line of of('sh pd').trim().split('\n')) {
    const [command, ...args] = placed(line).split(' ')
    t.equal(command, 'vllm-router')
    const at = args.indexOf('--port')
    const port = at === -1 ? '30000' : args.splice(at, 2)[1] ?? ''
    const free = args[0] === 'simulator' ? ['--port', '0'] : ['--port', '0', '--prometheus-port', '0']
    const running = run(t, ...args, ...free)
    const url = await until(line, () => /listening on (http:\/\/[^\s"\\]+)/.exec(running.stdout)?.[1], 20_000)
    urls.set(`http://127.0.0.1:${port}`, url)
  }
  const router = urls.get('http://127.0.0.1:30000') ?? ''
  await until('both pools are ready', async () => {
    const { prefill, decode } = await (await fetch(`${router}/readiness`)).json() as Record<string, { healthy: number }>
    return prefill?.healthy === 1 && decode?.healthy === 1
  }, 20_000)
  const [, path = '', body = ''] = /30000(\S+).*-d '([^']*)'/s.exec(of('sh pd-curl')) ?? []
  const answer = await fetch(router + path, { method: 'POST', headers: { 'content-type': 'application/json', 'x-vllm-router-explain': '1' }, body })
  t.equal(answer.status, 200)
  t.match(answer.headers.get('x-vllm-router-decision'), /; split=split; prefill=w-[0-9a-f]{8}$/)
})
