// Options that examples of the chart use and the table does not have yet: a test says when a row is there.
import type { OptionSpec } from '../../options/spec.ts'

/** What the rows will be, as far as the chart looks at them. */
export const awaitsOptions: readonly OptionSpec[] = []
