// Finds a short field of a multipart/form-data body, such as the model of an audio upload, without reading the file in it.

/** Fields stand before or after the file; this much of the body is looked at on either side. */
const windowBytes = 65_536
const maxHeadBytes = 1_024
const maxValueBytes = 1_024

/**
 * The text of the field `name` (the last one of that name), if it lies wholly in the first or last 64 KiB of the body.
 * Parts are told apart by the boundary in `contentType`, so nothing inside a file can be taken for a field.
 */
export function multipartField (body: Buffer, contentType: string | undefined, name: string): string | undefined {
  const boundary = boundaryOf(contentType)
  if (boundary === undefined) return undefined
  const delimiter = Buffer.from(`--${boundary}`, 'latin1')
  const tail = Math.max(0, body.length - windowBytes)
  const late = tail === 0 ? undefined : findField(body.subarray(tail), delimiter, name, false)
  return late ?? findField(body.subarray(0, windowBytes), delimiter, name, true)
}

function boundaryOf (contentType = ''): string | undefined {
  if (!/^\s*multipart\/form-data\s*;/i.test(contentType)) return undefined
  const match = /;\s*boundary=(?:"([^"]{1,70})"|([^\s";,]{1,70}))\s*(?:;|$)/i.exec(contentType)
  return match?.[1] ?? match?.[2]
}

function findField (part: Buffer, delimiter: Buffer, name: string, atStart: boolean): string | undefined {
  let value: string | undefined
  let at = nextDelimiter(part, delimiter, 0, atStart)
  while (at !== -1) {
    const start = at + delimiter.length
    const next = nextDelimiter(part, delimiter, start, false)
    if (next === -1) return value
    value = fieldText(part.subarray(start, next - 2), name) ?? value
    at = next
  }
  return value
}

/** A delimiter stands at the beginning of a line: of the body's first, or after CRLF. */
function nextDelimiter (part: Buffer, delimiter: Buffer, from: number, atStart: boolean): number {
  for (let at = part.indexOf(delimiter, from); at !== -1; at = part.indexOf(delimiter, at + delimiter.length)) {
    if (at === 0 ? atStart : part[at - 2] === 0x0d && part[at - 1] === 0x0a) return at
  }
  return -1
}

function fieldText (part: Buffer, name: string): string | undefined {
  const headEnd = part.subarray(0, maxHeadBytes).indexOf('\r\n\r\n')
  if (headEnd === -1 || part.length - headEnd - 4 > maxValueBytes) return undefined
  const head = part.toString('utf8', 0, headEnd)
  const match = /^content-disposition:[ \t]*form-data[ \t]*;[ \t]*name=(?:"([^"\r\n]*)"|([^\s";]+))[ \t]*(?:;|\r|$)/im.exec(head)
  return (match?.[1] ?? match?.[2]) === name ? part.toString('utf8', headEnd + 4) : undefined
}
