// `--help` shows every option under its group, with default, environment name and other names.
import t from 'tap'
import { optionSpecs } from '../../options.ts'
import { loadOptions } from '../../options/load.ts'

t.test('help', async t => {
  const loaded = await loadOptions(['--help'], {}, '/')
  const text = loaded.command === 'help' ? loaded.text : ''
  t.match(text, /^Usage: vllm-router \[options\]\n {7}vllm-router simulator \[options\]\n/)

  const sections = new Map(text.split(/\n\n(?=[A-Z][\w ]*:\n)/).map(section => [section.split(':\n')[0], section]))
  for (const spec of optionSpecs) {
    const section = sections.get(spec.group) ?? ''
    t.match(section, new RegExp(`^ .*--${spec.name}( <|  |$)`, 'm'), `${spec.name} is under ${spec.group}`)
    t.ok(section.replace(/\s+/g, ' ').includes(spec.help), `${spec.name} is explained`)
  }
  const words = text.replace(/\s+/g, ' ')
  t.match(words, '--port <N> Port to listen on; 0 takes any free one. (default: 30000; env: VLLM_ROUTER_PORT)')
  t.match(words, '--worker-urls <URL...> Base URLs')
  t.match(words, '(env: VLLM_ROUTER_ACCESS_LOG; off: --no-access-log)')
  t.match(words, 'also: --eviction-interval-secs')
  t.match(words, 'choices: cache_aware, consistent_hash')
  t.match(words, '-h, --help Print')
  t.match(words, '-V, --version Print the version and end.')
  t.notMatch(words, 'VLLM_ROUTER_HELP')
})
