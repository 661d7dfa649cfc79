/**
 * Puts the chunks that a client of PostgreSQL sends together to whole messages: the first has no type, and four bytes of
 * length; the others have a type of one byte before it. `onFrame` gets all of its bytes.
 */
export function createPostgresFrames(onFrame: (frame: Buffer) => void): (chunk: Buffer) => void {
  let held: Buffer = Buffer.alloc(0)
  /** The bytes before the length. */
  let typeBytes = 0

  return (chunk) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    while (held.length >= typeBytes + 4) {
      // The length counts itself, and not the type.
      const size = typeBytes + held.readUInt32BE(typeBytes)
      if (held.length < size) return
      const frame = held.subarray(0, size)
      held = held.subarray(size)
      // Asking for TLS is answered with one byte, and comes before the first message.
      if (typeBytes === 0 && !asksForTls(frame)) typeBytes = 1
      onFrame(frame)
    }
  }
}

const tlsRequest = 80_877_103

function asksForTls(frame: Buffer): boolean {
  return frame.length === 8 && frame.readUInt32BE(4) === tlsRequest
}

/** Whether it is a simple query that asks for the end of a transaction, to be kept. */
export function isCommit(frame: Buffer): boolean {
  return frame[0] === 'Q'.charCodeAt(0) && /^commit\b/i.test(frame.toString('latin1', 5))
}
