// The C programs of the benchmark as tests run them: with checks for memory and undefined behaviour where the compiler has them.
import { endAll } from '../../bench/faults/processes.ts'
import { compile, compilerName, compilerVersion } from '../../bench/side-by-side/native.ts'
import type { Programs } from '../../bench/side-by-side/native.ts'
import type { Test } from 'tap'

/** Both programs, or why there are none. Whatever a test started of them ends with it. */
export async function programs (t: Test): Promise<Programs | string> {
  t.teardown(endAll)
  if (await compilerVersion() === undefined) return `the C programs of the benchmark were not tested: there is no C compiler '${compilerName()}'`
  try {
    return await compile(['-O1', '-g', '-fno-sanitize-recover=all', '-fsanitize=address,undefined'])
  } catch (error) {
    if (!/asan|ubsan|sanitize/.test(String(error))) throw error
    t.comment('compiled without sanitizers, which this compiler does not have')
    return await compile()
  }
}
