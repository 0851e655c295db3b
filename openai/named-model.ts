// The model a request names, read strictly: what is returned is what any worker reads, and what could be read in two ways is not.
import { locateFields, readString } from './locate.ts'

const modelField: ReadonlySet<string> = new Set(['model'])
const jsonType = /^application\/json[ \t]*(?:;[ \t]*charset=("?)utf-8\1[ \t]*)?$/i
const formType = /^multipart\/form-data;[ \t]*boundary=(?:"([\w'()+,./:=?-]{1,70})"|([\w'+.-]{1,70}))$/i
/** Heads of parts have a line or three. */
const longestHead = 2048
const longestModel = 1024

const dash = 0x2d
const cr = 0x0d
const lf = 0x0a

/**
 * The text of the top-level field `model` of a JSON body in UTF-8; of several the last, which is what vLLM goes by. Undefined
 * where there is none, where it is no text or empty (vLLM then takes its default), and where the body is no JSON for sure.
 */
export function jsonModel (body: Buffer, contentType: string): string | undefined {
  if (!jsonType.test(contentType)) return undefined
  const span = locateFields(body, modelField)?.get('model')
  return (span && readString(body, span)) || undefined
}

/**
 * The text of the field `model` of a form. Undefined where there is none or more than one, and where the form is not of the plain
 * shape that HTTP clients write: parsers differ in what they make of others.
 */
export function formModel (body: Buffer, contentType: string): string | undefined {
  const match = formType.exec(contentType)
  const boundary = match?.[1] ?? match?.[2]
  if (boundary === undefined) return undefined
  const delimiter = Buffer.from('--' + boundary, 'latin1')
  if (!body.subarray(0, delimiter.length).equals(delimiter)) return undefined
  let model: string | undefined
  let at = 0
  while (true) {
    const after = at + delimiter.length
    if (body[after] === dash && body[after + 1] === dash) return isEnd(body, after + 2) ? model : undefined
    if (body[after] !== cr || body[after + 1] !== lf) return undefined
    const start = after + 2
    at = body.indexOf(delimiter, start)
    // wherever else the boundary stands, somebody might see the end of a part
    if (at === -1 || body[at - 2] !== cr || body[at - 1] !== lf) return undefined
    const headEnd = body.subarray(start, Math.min(at, start + longestHead)).indexOf('\r\n\r\n')
    const valueStart = start + headEnd + 4
    if (headEnd === -1 || valueStart > at - 2) return undefined
    const part = readHead(body.toString('latin1', start, start + headEnd))
    if (part === undefined) return undefined
    if (part.name.toLowerCase() !== 'model') continue
    const value = body.subarray(valueStart, at - 2)
    if (model !== undefined || part.name !== 'model' || !part.text || value.length === 0 || value.length > longestModel) return undefined
    model = value.toString()
    if (!Buffer.from(model).equals(value)) return undefined
  }
}

function isEnd (body: Buffer, at: number): boolean {
  return at === body.length || (at + 2 === body.length && body[at] === cr && body[at + 1] === lf)
}

const disposition = /^content-disposition: ?form-data; ?name="([^"\\%]*)"(; ?filename="[^"\\]*"(?:; ?filename\*=[\w!#$&+.^`|~%'-]*)?)?$/i
/** The other lines a part's head may have. */
const others = /^(?:(content-type: ?.+)|content-length: ?\d+|content-transfer-encoding: ?(?:binary|7bit|8bit))$/i
const plainText = /^content-type: ?text\/plain(?:; ?charset="?(?:utf-8|us-ascii)"?)?$/i

/** What a part's head says; undefined when it says anything unusual. `text`: a field, and not a file. */
function readHead (head: string): { name: string, text: boolean } | undefined {
  let name: string | undefined
  let text = true
  for (const line of head.split('\r\n')) {
    // a lone CR or LF is the end of a line to some
    if (!isPrintable(line)) return undefined
    const [, named, filename] = disposition.exec(line) ?? []
    if (named !== undefined) {
      if (name !== undefined) return undefined
      name = named
      if (filename !== undefined) text = false
      continue
    }
    const match = others.exec(line)
    if (match === null) return undefined
    if (match[1] !== undefined && !plainText.test(line)) text = false
  }
  return name === undefined ? undefined : { name, text }
}

function isPrintable (line: string): boolean {
  for (let i = 0; i < line.length; i++) if (line.charCodeAt(i) < 0x20) return false
  return true
}
