// Writes small WebAssembly modules: the few instructions and sections the router uses, by their names and numbers in the specification.

/** Encoded instructions, or a part of the module. */
export type Code = readonly number[]

const types = { i32: 0x7f, i64: 0x7e, f64: 0x7c } as const
export type Type = keyof typeof types

/** A function that returns nothing. Its variables are numbered, parameters first; the others begin as 0. */
export interface Func {
  readonly name: string
  readonly parameters: readonly Type[]
  readonly locals: readonly Type[]
  readonly body: readonly Code[]
}

// An instruction takes its operands from a stack: so they are written first, and its opcode after them.
const unary = (...opcode: readonly number[]) => (a: Code): Code => [...a, ...opcode]
const binary = (opcode: number) => (a: Code, b: Code): Code => [...a, ...b, opcode]

/** The 3 promises that addresses are multiples of 8 (2 to the power of 3). */
const load = (opcode: number) => (address: Code, offset = 0): Code => [...address, opcode, 3, ...unsigned(offset)]
const store = (opcode: number) => (address: Code, value: Code, offset = 0): Code => [...address, ...value, opcode, 3, ...unsigned(offset)]

/** Places in memory, and how far a loop has come. */
export const i32 = {
  const: (value: number): Code => [0x41, ...signed(BigInt(value))],
  ltU: binary(0x49),
  add: binary(0x6a)
}

/** Whole numbers modulo 2 to the power of 64; `U` takes them for positive. */
export const i64 = {
  load: load(0x29),
  store: store(0x37),
  const: (value: bigint): Code => [0x42, ...signed(BigInt.asIntN(64, value))],
  add: binary(0x7c),
  mul: binary(0x7e),
  xor: binary(0x85),
  shrU: binary(0x88),
  rotl: binary(0x89),
  /** The whole part of a number of JavaScript; what is out of range becomes the nearest within, NaN becomes 0. */
  truncSatF64S: unary(0xfc, 6)
}

/** Numbers as JavaScript has them. */
export const f64 = {
  store: store(0x39),
  convertI64U: unary(0xba)
}

/** A parameter or local variable of a function. */
export interface Variable {
  readonly get: Code
  set (value: Code): Code
  /** The same, and leaves the value on the stack. */
  tee (value: Code): Code
}

/** The variable of this number. */
export function variable (index: number): Variable {
  return { get: [0x20, ...unsigned(index)], set: value => [...value, 0x21, ...unsigned(index)], tee: value => [...value, 0x22, ...unsigned(index)] }
}

const end = 0x0b

/** Does `body`, and again as long as `condition` is not 0: a loop that a conditional branch takes to its beginning. */
export function doWhile (condition: Code, ...body: readonly Code[]): Code {
  const [loop, brIf, noResult, innermost] = [0x03, 0x0d, 0x40, 0]
  return [loop, noResult, ...body.flat(), ...condition, brIf, innermost, end]
}

/** The bytes of a module that exports its functions by their names, and its memory of so many pages of 64 KiB as `memory`. */
export function writeModule (pages: number, functions: readonly Func[]): Uint8Array {
  const [memoryExport, functionExport, bounded, functionType] = [2, 0, 1, 0x60]
  const sections = {
    type: section(1, functions.map(({ parameters }) => [functionType, ...list(parameters.map(type => [types[type]])), ...list([])])),
    function: section(3, functions.map((_, index) => unsigned(index))),
    memory: section(5, [[bounded, ...unsigned(pages), ...unsigned(pages)]]),
    export: section(7, [
      [...text('memory'), memoryExport, 0],
      ...functions.map(({ name }, index) => [...text(name), functionExport, ...unsigned(index)])
    ]),
    code: section(10, functions.map(({ locals, body }) => sized([...list(locals.map(type => [1, types[type]])), ...body.flat(), end])))
  }
  return Uint8Array.from([...Buffer.from('\0asm'), 1, 0, 0, 0, ...Object.values(sections).flat()])
}

function section (id: number, items: readonly Code[]): Code {
  return [id, ...sized(list(items))]
}

function list (items: readonly Code[]): Code {
  return [...unsigned(items.length), ...items.flat()]
}

function sized (bytes: Code): Code {
  return [...unsigned(bytes.length), ...bytes]
}

function text (value: string): Code {
  return sized([...Buffer.from(value)])
}

// LEB128: seven bits a byte, the lowest ones first; the eighth bit says that more bytes follow.

function unsigned (value: number): Code {
  return value < 0x80 ? [value] : [value & 0x7f | 0x80, ...unsigned(value >>> 7)]
}

/** The last byte's highest bit of seven is the sign of all. */
function signed (value: bigint): Code {
  const low = Number(value & 0x7fn)
  return value >= -64n && value < 64n ? [low] : [low | 0x80, ...signed(value >> 7n)]
}
