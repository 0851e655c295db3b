// The environment a user's shell would have: nothing of tap, of the npm that runs the tests, or of the router's own variables.

const kept = ['npm_config_registry', 'npm_config_cache', 'npm_config_userconfig']

/** For processes that tests start. */
export const environment: NodeJS.ProcessEnv = Object.fromEntries(Object.entries(process.env).filter(([name]) =>
  kept.includes(name.toLowerCase()) || !/^(npm_|NODE_OPTIONS$|TAP|_TAP|VLLM_ROUTER_)/i.test(name)))

/**
 * A command that tap does not get into: it adds its loaders to `NODE_OPTIONS` of every process that is started, which slows Node
 * down, breaks tools, and is not what a user runs. The process keeps its id, so signals arrive.
 */
export function untapped (command: string, args: readonly string[]): [command: string, args: string[]] {
  return ['env', ['-u', 'NODE_OPTIONS', command, ...args]]
}
