// Networks and `HOST:PORT` are read as people write them, and anything else is refused.
import t from 'tap'
import { isNetwork, networkList } from '../../core/cidr.ts'
import { formatHostPort, parseHostPort } from '../../core/host-port.ts'

t.test('networks', async t => {
  for (const good of ['10.0.0.0/8', '192.0.2.7', '0.0.0.0/0', '::1', 'fd00::/8', '::/0']) t.ok(isNetwork(good), good)
  for (const bad of ['', '10.0.0.0/33', '10.0.0/8', 'fd00::/129', 'localhost', '10.0.0.0/', '10.0.0.0/-1', '/8', 'fe80::1%eth0', '10.0.0.1 ', '1.2.3.4/8/8']) t.notOk(isNetwork(bad), bad)
  t.throws(() => networkList(['10.0.0.0/8', 'x']), new RangeError('not an IP address or a network: x'))
  const list = networkList(['10.0.0.0/8', '192.0.2.7', 'fd00::/8'])
  for (const [address, family, inside] of [
    ['10.255.0.1', 'ipv4', true], ['11.0.0.1', 'ipv4', false], ['192.0.2.7', 'ipv4', true], ['192.0.2.8', 'ipv4', false],
    ['fd12::1', 'ipv6', true], ['fe80::1', 'ipv6', false], ['::ffff:10.1.2.3', 'ipv6', true], ['::ffff:11.1.2.3', 'ipv6', false]
  ] as const) t.equal(list.check(address, family), inside, address)
})

t.test('HOST:PORT', async t => {
  for (const [text, host, port, family, written] of [
    ['10.0.0.1:80', '10.0.0.1', 80, 4, '10.0.0.1:80'],
    ['[::1]:80', '::1', 80, 6, '[::1]:80'],
    ['::1:80', '::1', 80, 6, '[::1]:80'],
    ['a-b.example:65535', 'a-b.example', 65535, 0, 'a-b.example:65535'],
    ['vllm_1:0', 'vllm_1', 0, 0, 'vllm_1:0']
  ] as const) {
    const read = parseHostPort(text)
    t.same(read, { host, port, family }, text)
    if (read !== undefined) t.equal(formatHostPort(read), written)
  }
  for (const bad of ['', ':80', 'a', 'a:', 'a:65536', 'a:123456', 'a:-1', 'a b:1', '999.0.0.1:1', '[10.0.0.1]:1', '[a]:1', 'a/b:1', 'u@a:1', 'a__b:1', 'a..b:1', 'fe80::1%eth0:1', '0x7f.1:1', 'a.b.99999999999:1', '1.2.3.0x:1', 'a.1:1', '127.1:1', `${'a'.repeat(300)}:1`, 'a:1\n']) {
    t.equal(parseHostPort(bad), undefined, bad)
  }
})
