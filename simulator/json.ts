// Reading of request bodies the way vLLM does it, its complaints included.
import type { FastifyRequest } from 'fastify'
import { invalidField, invalidJson, missingField, unsupportedMediaType } from './errors.ts'

/** An object as such, or undefined for any other value. */
export function record (value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Record<string, unknown> : undefined
}

/** The request's raw body; empty when there was none. */
export function rawBody (request: FastifyRequest): Buffer {
  return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
}

/** The request's JSON object; throws what vLLM answers to anything else. */
export function jsonBody (request: FastifyRequest): Record<string, unknown> {
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/json') throw unsupportedMediaType()
  const text = rawBody(request).toString('utf8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    const position = /position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1]
    throw invalidJson(position === undefined ? text.length : Number(position))
  }
  const body = record(value)
  if (body === undefined) throw invalidField('', 'model_attributes_type', 'Input should be a valid dictionary or object to extract fields from')
  return body
}

/** A list that the body must have. */
export function requiredList (body: Record<string, unknown>, name: string): readonly unknown[] {
  const value = required(body, name)
  if (!Array.isArray(value)) throw invalidField(name, 'list_type', 'Input should be a valid list')
  return value as unknown[]
}

/** A text that the body must have. */
export function requiredText (body: Record<string, unknown>, name: string): string {
  const value = required(body, name)
  if (typeof value !== 'string') throw invalidField(name, 'string_type', 'Input should be a valid string')
  return value
}

/** A value that the body must have. */
export function required (body: Record<string, unknown>, name: string): unknown {
  if (body[name] === undefined) throw missingField(name)
  return body[name]
}

/** A whole number that the body may have; `null` counts as not given. */
export function optionalInteger (body: Record<string, unknown>, name: string): number | undefined {
  const value = body[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw invalidField(name, 'int_type', 'Input should be a valid integer')
  return value
}

/** True when the value is a list of token ids, and not an empty one. */
export function isTokenIds (value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length > 0 && value.every(id => typeof id === 'number' && Number.isInteger(id) && id >= 0)
}
