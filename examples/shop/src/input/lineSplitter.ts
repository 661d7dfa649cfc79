/** One line that is not blank, without its line break. */
export interface InputLine {
  /** Counted from 1, blank lines included, as editors do. */
  readonly number: number
  /** Undefined: longer than allowed, and dropped while it was read. A view into the input: use it before the next read. */
  readonly bytes: Uint8Array | undefined
}

/** Cuts bytes into lines; keeps at most one line of the allowed length between two calls. */
export interface LineSplitter {
  push(chunk: Uint8Array): InputLine[]
  /** The last line may end without a line break. */
  end(): InputLine[]
}

const lineFeed = 0x0a
const carriageReturn = 0x0d

export function createLineSplitter(maxLineBytes: number): LineSplitter {
  let number = 1
  let kept: Uint8Array[] = []
  let keptBytes = 0
  let tooLong = false

  function keep(part: Uint8Array): void {
    if (tooLong) return
    keptBytes += part.length
    // One more than allowed, because the last byte may be the carriage return of the line break.
    if (keptBytes <= maxLineBytes + 1) return void kept.push(part)
    tooLong = true
    kept = []
  }

  function finish(last: Uint8Array): InputLine | undefined {
    keep(last)
    const whole = kept.length === 1 ? kept[0]! : Buffer.concat(kept)
    const bytes = whole.at(-1) === carriageReturn ? whole.subarray(0, -1) : whole
    const dropped = tooLong || bytes.length > maxLineBytes
    const line = { number, bytes: dropped ? undefined : bytes }
    number += 1
    kept = []
    keptBytes = 0
    tooLong = false
    return dropped || !isBlank(bytes) ? line : undefined
  }

  return {
    push(chunk) {
      const lines: InputLine[] = []
      let start = 0
      for (let at = chunk.indexOf(lineFeed); at !== -1; at = chunk.indexOf(lineFeed, start)) {
        const line = finish(chunk.subarray(start, at))
        if (line !== undefined) lines.push(line)
        start = at + 1
      }
      if (start < chunk.length) keep(chunk.subarray(start))
      // Copied: the stream may use the memory of its chunk again.
      const part = start < chunk.length ? kept.pop() : undefined
      if (part !== undefined) kept.push(Buffer.from(part))
      return lines
    },
    end() {
      const line = keptBytes > 0 ? finish(new Uint8Array(0)) : undefined
      return line === undefined ? [] : [line]
    },
  }
}

/** Only white space of JSON, after a byte order mark if there is one. */
function isBlank(bytes: Uint8Array): boolean {
  const hasMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
  for (let at = hasMark ? 3 : 0; at < bytes.length; at += 1) {
    const byte = bytes[at]
    if (byte !== 0x20 && byte !== 0x09 && byte !== carriageReturn) return false
  }
  return true
}
