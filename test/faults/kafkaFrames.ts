/**
 * Puts the chunks of a connection together to whole requests or answers of Kafka's protocol: four bytes of length, and
 * so many bytes. `onFrame` gets both.
 */
export function createKafkaFrames(onFrame: (frame: Buffer) => void): (chunk: Buffer) => void {
  let chunks: Buffer[] = []
  let held = 0
  /** Of the frame that has begun, its length included; zero while that is not known. */
  let wanted = 0

  return (chunk) => {
    chunks.push(chunk)
    held += chunk.length
    // A large answer comes in many chunks, which are put together once.
    while (held >= 4 && held >= wanted) {
      let bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, held)
      wanted = 4 + bytes.readUInt32BE(0)
      while (bytes.length >= wanted) {
        onFrame(bytes.subarray(0, wanted))
        bytes = bytes.subarray(wanted)
        wanted = bytes.length >= 4 ? 4 + bytes.readUInt32BE(0) : 4
      }
      chunks = bytes.length > 0 ? [bytes] : []
      held = bytes.length
    }
  }
}
