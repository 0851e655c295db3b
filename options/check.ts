// What options must mean together: contradictions are errors, doubtful combinations warnings.
import type { RouterOptions } from '../options.ts'
import { OptionsError } from './coerce.ts'

const anyAddress = ['0.0.0.0', '::']

/**
 * Throws an OptionsError for a contradiction.
 *
 * @param say an option's name as the person who set it knows it
 * @returns warnings
 */
export function checkTogether (options: RouterOptions, say: (key: keyof RouterOptions) => string): string[] {
  const warnings: string[] = []
  const unset = (key: keyof RouterOptions): string => say(key).replace(' (default)', '')
  if (options.port !== 0 && options.port === options.prometheusPort && overlap(options.host, options.prometheusHost)) {
    throw new OptionsError(`${say('prometheusPort')} takes another port than ${say('port')} on the same host, ` +
      `not ${options.prometheusPort} for both`)
  }
  if (options.policy === 'power_of_two' && options.workerUrls.length * options.intraNodeDataParallelSize === 1) {
    warnings.push(`${say('policy')} is power_of_two, which compares two workers, but ${say('workerUrls')} gives only one: ` +
      'it gets every request until another is added')
  }
  if (options.jwtIssuer === undefined) {
    const needing = (['jwksUrl', 'jwtAudience', 'jwtModelsClaim'] as const).find(key => options[key] !== undefined && options[key].length > 0)
    if (needing !== undefined) throw new OptionsError(`${say(needing)} is about JWTs, which are accepted only with ${unset('jwtIssuer')}`)
  } else {
    if (options.jwksUrl === undefined && !(/^https?:\/\//i.test(options.jwtIssuer) && URL.canParse(options.jwtIssuer))) {
      throw new OptionsError(`${say('jwtIssuer')} must be an http:// or https:// URL, where its keys can be asked for, or ${unset('jwksUrl')} must be given`)
    }
    if (options.jwtAudience.length === 0) {
      warnings.push(`${unset('jwtAudience')} is not given: a token that the issuer made for any other service is accepted as well`)
    }
  }
  return warnings
}

function overlap (host: string, other: string): boolean {
  return host === other || anyAddress.includes(host) || anyAddress.includes(other) || (isLoopback(host) && isLoopback(other))
}

function isLoopback (host: string): boolean {
  return host === 'localhost' || host === '127.0.0.1'
}
