// The config file: its kinds, its keys and what is wrong with it.
import t from 'tap'
import { load, refusal } from './helpers.ts'

const dir = t.testdir({
  'kebab.yaml': '# a comment\nworker-urls:\n  - http://a\n  - http://b\neviction-interval-secs: 3\nport:\nlog-dir: ""\n',
  'camel.json': '{\n\t"workerUrls": "http://a,http://b",\n\t"evictionIntervalSecs": 3\n}\n',
  'empty.yaml': '',
  'comment.yaml': '# nothing\n',
  'unknown.yaml': 'port: 1\nworkerUrl: http://a\n',
  'far.yaml': 'zebra: 1\n',
  'both.yaml': 'worker-urls: []\nworkerUrls: []\n',
  'twice.yaml': 'port: 1\nport: 2\n',
  'command.yaml': 'config: other.yaml\n',
  'bad.yaml': 'port: 1\n  host: x: y\n',
  'bad.json': '{ "port": 1,\n"host" ',
  'alias.yaml': 'host: *somewhere\n',
  'list.yaml': '- port: 1\n',
  'word.yaml': 'port\n',
  folder: {}
})

t.test('kebab-case in YAML and camelCase in JSON say the same; what has no value is not given', async t => {
  for (const file of ['kebab.yaml', 'camel.json', `${dir}/kebab.yaml`]) {
    const { options, given } = await load(['--config', file], {}, dir)
    t.strictSame(options.workerUrls, ['http://a', 'http://b'])
    t.equal(options.evictionInterval, 3)
    t.strictSame(Object.keys(given), ['workerUrls', 'evictionInterval'])
  }
})

t.test('an empty file gives nothing', async t => {
  for (const file of ['empty.yaml', 'comment.yaml']) t.strictSame((await load(['--config', file], {}, dir)).given, {})
})

const cases: Readonly<Record<string, string>> = {
  'unknown.yaml': 'unknown option "workerUrl" in unknown.yaml (did you mean workerUrls?)',
  'far.yaml': 'unknown option "zebra" in far.yaml',
  'both.yaml': 'workerUrls and worker-urls in both.yaml are the same option, give only one of them',
  'twice.yaml': 'twice.yaml takes YAML or JSON, and line 2, column 1 is neither: Map keys must be unique',
  'command.yaml': 'config is not allowed in command.yaml: it is an option of the command line',
  'bad.yaml': 'bad.yaml takes YAML or JSON, and line 1, column 7 is neither: Nested mappings are not allowed in compact mappings',
  'bad.json': 'bad.json takes YAML or JSON, and line 2, column 8 is neither: Flow map must end with a }',
  'alias.yaml': 'alias.yaml uses a YAML alias that has no anchor before it, or too many aliases',
  'list.yaml': 'list.yaml takes options as "name: value", not a list',
  'word.yaml': 'word.yaml takes options as "name: value", not a single value',
  folder: '--config takes a YAML or JSON file, not "folder": it is a folder',
  'none.yaml': '--config takes a YAML or JSON file, not "none.yaml": there is no such file'
}

t.test('what is wrong is said on one line', async t => {
  for (const [file, line] of Object.entries(cases)) t.equal(await refusal(['--config', file], {}, dir), line)
  t.equal(await refusal([], { VLLM_ROUTER_CONFIG: 'none.yaml' }, dir), 'VLLM_ROUTER_CONFIG takes a YAML or JSON file, not "none.yaml": there is no such file')
})
