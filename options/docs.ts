// The page docs/options.md, made from the table.
import { optionSpecs } from '../options.ts'
import { allowed } from './coerce.ts'
import { defaultText, hasNegation, valueName } from './flags.ts'
import { comesFrom, environmentName, flagName, type OptionSpec } from './spec.ts'

const intro = `# Options

<!-- Made from options.ts by scripts/options-docs.ts. Change it there. -->

Every option has one name in four forms: the flag \`--worker-urls\`, the environment variable \`VLLM_ROUTER_WORKER_URLS\`, the key
\`worker-urls\` or \`workerUrls\` in a config file, and \`workerUrls\` for those who embed the router.

**Which one counts.** A flag counts more than the environment, the environment more than the config file, the config file more
than the default. A file \`.env\` in the working directory belongs to the environment; a variable that is really set counts more.

**Forms.** \`--port 8000\` and \`--port=8000\` are the same. A value that starts with \`-\` needs the second form.

| | flag | environment | config file |
|---|---|---|---|
| list | \`--worker-urls A B\`, or \`--worker-urls A --worker-urls B\` | \`VLLM_ROUTER_WORKER_URLS=A,B\` | \`worker-urls: [A, B]\`, or \`worker-urls: A,B\` |
| switch | \`--access-log\`, \`--no-access-log\` | \`true\` \`false\` \`1\` \`0\` \`yes\` \`no\` | the same |
| all others | \`--port 8000\` | \`VLLM_ROUTER_PORT=8000\` | \`port: 8000\` |

Times are in seconds and may have a fraction. An empty variable, or a key of the config file without a value, counts as not given.

**Config file.** \`--config router.yaml\` reads YAML or JSON:

\`\`\`yaml
worker-urls:
  - http://10.0.0.1:8000
  - http://10.0.0.2:8000
policy: cache_aware
access-log: true
\`\`\`

**Errors.** An unknown flag, an unknown key of the config file, a bad value or a contradiction ends the start with one line that names
the option, what was given and what is allowed, and exit code 2. Secrets are never printed. These are only warned of:

- an unknown \`VLLM_ROUTER_*\` variable. Kubernetes sets such names in every pod beside a Service called \`vllm-router\`, among them
  \`VLLM_ROUTER_PORT=tcp://10.0.0.1:30000\`: that value is not taken for a port (\`enableServiceLinks: false\` in the pod avoids it);
- the policy \`power_of_two\` with a single worker, which the Rust router refuses: workers may come later.

\`--port\` and \`--prometheus-port\` must differ where both listen on the same address, unless they are 0. \`--service-discovery\` needs a
selector, or a service name, depending on its mode ([Kubernetes](kubernetes.md)).
`

/** The whole page. */
export function optionsPage (): string {
  const groups = [...new Set(optionSpecs.map(spec => spec.group))]
  const sections = groups.map(group => {
    const rows = optionSpecs.filter(spec => spec.group === group).map(row)
    return `## ${group}\n\n| Flag | Environment | Default | Allowed | Meaning |\n|---|---|---|---|---|\n${rows.join('\n')}\n`
  })
  return [intro, ...sections].join('\n')
}

function row (spec: OptionSpec): string {
  const fallback = spec.type === 'switch' ? hasNegation(spec) ? 'off' : '' : code(defaultText(spec)) || 'none'
  const cells = [flags(spec), comesFrom(spec, 'environment') ? [environmentName(spec.name), ...(spec.variables ?? [])].map(code).join(', ') : '', fallback, allowedText(spec), spec.help]
  return `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function flags (spec: OptionSpec): string {
  const value = spec.type === 'switch' ? '' : ` ${valueName(spec)}${spec.type === 'list' ? '...' : ''}`
  const others = [...(spec.aliases ?? []), ...(hasNegation(spec) ? [`no-${spec.name}`] : [])].map(name => code(flagName(name)))
  return [code(flagName(spec.name) + value), ...others].join(', ')
}

function allowedText (spec: OptionSpec): string {
  if (spec.type === 'choice') return spec.choices.map(code).join(' ')
  return comesFrom(spec, 'file') || spec.type !== 'switch' ? allowed(spec) : ''
}

function code (text: string): string {
  return text === '' ? '' : `\`${text}\``
}
