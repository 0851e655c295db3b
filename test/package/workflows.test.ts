// The workflows run scripts that exist, with actions of one exact version and no more rights than they need.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'

interface Step { readonly uses?: string, readonly run?: string, readonly with?: Record<string, unknown> }
interface Job { readonly steps?: readonly Step[], readonly uses?: string, readonly permissions?: Record<string, string>, readonly 'timeout-minutes'?: number, readonly strategy?: { readonly matrix: Record<string, unknown[]> } }
interface Workflow { readonly name: string, readonly permissions?: Record<string, string>, readonly jobs: Record<string, Job> }

const folder = '.github/workflows'
const { scripts, engines } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string>, engines: { node: string } }
const workflows = new Map(readdirSync(folder).map(name => {
  const text = readFileSync(`${folder}/${name}`, 'utf8')
  return [name, { text, workflow: parse(text) as Workflow }]
}))
/** Rights beyond reading, by workflow and job, that there are reasons for. */
const writes: Readonly<Record<string, Record<string, string>>> = {
  'publish.yml npm': { contents: 'read', 'id-token': 'write' },
  'publish.yml image': { contents: 'read', packages: 'write' },
  'publish.yml chart': { contents: 'read', packages: 'write' }
}

for (const [name, { text, workflow }] of workflows) {
  t.test(name, async t => {
    t.same(workflow.permissions, { contents: 'read' }, 'reads only, if a job does not say otherwise')
    for (const [, action = '', version = ''] of text.matchAll(/uses: (\S+)(.*)$/gm)) {
      if (action.startsWith('./')) t.ok(existsSync(action), action)
      else {
        t.match(action, /^[\w.-]+\/[\w.-]+@[0-9a-f]{40}$/, action)
        t.match(version, /^ # v\d+\.\d+\.\d+$/, `${action}: which version that is`)
      }
    }
    for (const [id, job] of Object.entries(workflow.jobs)) {
      t.same(job.permissions, writes[`${name} ${id}`], `${id}: rights`)
      if (job.uses === undefined) t.ok((job['timeout-minutes'] ?? 0) > 0, `${id} ends in time`)
      for (const { uses = '', run = '', with: inputs = {} } of job.steps ?? []) {
        if (uses.startsWith('actions/checkout@')) t.equal(inputs['persist-credentials'], false, `${id}: later steps cannot push`)
        t.notMatch(run, /\$\{\{/, `${id}: values reach scripts by the environment`)
        const called = [...run.matchAll(/npm run ([\w:-]+)/g)].map(([, script = '']) => script)
        const matrix = run.includes('npm run "$SCRIPT"') ? job.strategy?.matrix['script'] as string[] : []
        for (const script of [...called, ...matrix]) t.ok(script in scripts, `npm run ${script}`)
        for (const [, path = ''] of run.matchAll(/(?:^|\s)(scripts\/\S+)/g)) t.ok(existsSync(path), path)
      }
    }
  })
}

t.test('every supported Node is tested', async t => {
  const versions = workflows.get('test.yml')?.workflow.jobs['node']?.strategy?.matrix['node']
  t.same(versions, [20, 22, 24, 26])
  t.match(engines.node, />=20/)
})

t.test('the same scripts as .ci/run', async t => {
  const ci = readFileSync('.ci/run', 'utf8')
  for (const script of ['test', 'run test:chart', 'run lint:workflows']) {
    t.match(ci, `npm ${script}`)
    t.ok(workflows.get('test.yml')?.text.includes(`- run: npm ${script}`), script)
  }
})
