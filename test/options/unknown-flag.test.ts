// An unknown flag or a stray word ends the start with one line that helps.
import t from 'tap'
import { refusal } from './helpers.ts'

const cases: ReadonlyArray<readonly [string[], string | RegExp]> = [
  [['--prot', '3'], /^unknown option --prot \(did you mean --port\?\)/],
  [['--worker-url', 'http://a'], /^unknown option --worker-url \(did you mean --worker-urls\?\)/],
  [['--no-acess-log'], /^unknown option --no-acess-log \(did you mean --no-access-log\?\)/],
  [['-port', '3'], /^unknown option -port \(did you mean --port\?\)/],
  [['--zzz=1'], /^unknown option --zzz; --help lists all options$/],
  [['--no-port'], /^unknown option --no-port/],
  [['port=3'], /^unexpected argument "port" \(did you mean --port\?\)/],
  [['http://a:1'], /^unexpected argument "http:\/\/a:1"; values follow the flag they belong to/],
  [['--port', '3', '4'], /^unexpected argument "4"/],
  [['--port', '3', 'simulator'], /^unexpected argument "simulator"/],
  [['--', 'x'], /^unexpected argument "x"/],
  [['--port'], /^--port takes a whole number from 0 to 65535, and nothing is given/],
  [['--host', '--port', '3'], /^--host takes a host name or an IP address, without a port, and nothing is given/],
  [['--access-log=false'], '--access-log takes no value, not "false": --access-log is on, --no-access-log is off']
]

for (const [argv, expected] of cases) {
  t.test(argv.join(' '), async t => {
    const line = await refusal(argv)
    if (typeof expected === 'string') t.equal(line, expected)
    else t.match(line, expected)
    t.notMatch(line, /\n/)
  })
}
