// What one value of the Helm chart is: what it means, what holds where it is not given, and the JSON Schema it is checked by.

/** A piece of JSON Schema, draft 7, which every Helm 3 reads. */
export interface Schema {
  readonly [keyword: string]: unknown
}

/** One value. */
export interface Value {
  readonly help: string
  readonly default: unknown
  readonly schema: Schema
}

/** Values under a common name. */
export interface ValueGroup {
  readonly help: string
  readonly values: Values
}

/** Values by name. */
export type Values = Readonly<Record<string, Value | ValueGroup>>

/** Whether it has values below it. */
export function isGroup (one: Value | ValueGroup): one is ValueGroup {
  return 'values' in one
}

/** A text; empty is none. */
export function text (help: string, fallback = '', schema: Schema = {}): Value {
  return { help, default: fallback, schema: { type: 'string', ...schema } }
}

/** True or false. */
export function flag (help: string, fallback = false): Value {
  return { help, default: fallback, schema: { type: 'boolean' } }
}

/** A whole number. */
export function whole (help: string, fallback: number, minimum = 0, schema: Schema = {}): Value {
  return { help, default: fallback, schema: { type: 'integer', minimum, ...schema } }
}

/** One of some words. */
export function choice (help: string, choices: readonly string[], fallback = choices[0]): Value {
  return { help, default: fallback, schema: { enum: choices } }
}

/** A list of texts. */
export function texts (help: string, fallback: readonly string[] = [], schema: Schema = {}): Value {
  return { help, default: fallback, schema: { type: 'array', items: { type: 'string', minLength: 1, ...schema } } }
}

/** Texts by name, as labels and annotations are. */
export function labels (help: string, fallback: Readonly<Record<string, string>> = {}): Value {
  return { help, default: fallback, schema: { type: 'object', additionalProperties: { type: 'string' } } }
}

/** A part of a Kubernetes object, which the API server checks. */
export function part (help: string, fallback: object = {}): Value {
  return { help, default: fallback, schema: { type: 'object' } }
}

/** A list of parts of Kubernetes objects. */
export function parts (help: string, fallback: readonly object[] = []): Value {
  return { help, default: fallback, schema: { type: 'array', items: { type: 'object' } } }
}

/** An object of which every name is known. */
export function closed (properties: Readonly<Record<string, Schema>>, required: readonly string[] = []): Schema {
  return { type: 'object', properties, additionalProperties: false, ...(required.length > 0 ? { required } : {}) }
}
