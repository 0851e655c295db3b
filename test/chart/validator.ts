// JSON Schemas as functions, by the validator that Fastify has.
import Fastify from 'fastify'
import type { Schema } from '../../scripts/chart/value.ts'

/** Says what is wrong with a value, one line each; nothing where it fits. */
export type Validator = (value: unknown) => readonly string[]

/** Makes a validator that changes nothing in what it looks at. */
export async function validator (schema: Schema): Promise<Validator> {
  const app = Fastify({ ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, allErrors: true } } })
  let made: Validator = () => []
  app.get('/', async request => {
    const check = request.compileValidationSchema({ ...schema })
    made = value => check(value) === true ? [] : (check.errors ?? []).map(({ instancePath, message, params }) => `${instancePath} ${message ?? ''} ${JSON.stringify(params)}`)
  })
  await app.inject('/')
  await app.close()
  return made
}
