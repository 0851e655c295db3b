// `npm run bench:micro`: times each hot piece, and fails when one takes three times its budget.
import { allPieces } from './all.ts'
import { microseconds, thorough } from './piece.ts'

const factor = 3
let over = 0
for (const piece of allPieces()) {
  const measured = microseconds(piece, thorough)
  const within = measured <= piece.budgetUs * factor
  if (!within) over++
  process.stdout.write(`${within ? 'ok  ' : 'OVER'}  ${piece.name.padEnd(42)} ${measured.toFixed(3).padStart(9)} µs  budget ${piece.budgetUs} µs\n`)
}
process.stdout.write(`${over} took more than ${factor} × their budget\n`)
if (over > 0) process.exitCode = 1
