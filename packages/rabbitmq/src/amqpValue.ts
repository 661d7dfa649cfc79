/** The type that RabbitMQ gives to a message of an AMQP 1.0 client whose body is not plain data. */
const amqp10Type = 'amqp-1.0'

/** Constructors of the primitive types that hold text or bytes, by the size of their length (AMQP 1.0, 1.6.19 to 1.6.21). */
const narrow = new Set([0xa0, 0xa1])
const wide = new Set([0xb0, 0xb1])
const nullConstructor = 0x40

/**
 * The bytes that an AMQP 1.0 client meant as its body. RabbitMQ hands on data sections as they are, but any other body
 * as the encoded section (mc_amqpl, rabbitmq-server): a value that is text or bytes is taken out of it, and a null is an
 * empty body. Every other body, of maps, lists and numbers, stays as it came.
 */
export function bodyOf(content: Buffer, type: unknown): Buffer {
  if (type !== amqp10Type || !isValueSection(content)) return content
  const constructor = content[3]!
  if (constructor === nullConstructor && content.length === 4) return content.subarray(4)
  if (narrow.has(constructor) && content.length >= 5) return exactly(content, 5, content.readUInt8(4))
  if (wide.has(constructor) && content.length >= 8) return exactly(content, 8, content.readUInt32BE(4))
  return content
}

/** A described type whose descriptor is the small ulong of `amqp-value`. */
function isValueSection(content: Buffer): boolean {
  return content.length >= 4 && content[0] === 0x00 && content[1] === 0x53 && content[2] === 0x77
}

/** Only a value that fills the body is one: whatever else stands there is not ours to guess. */
function exactly(content: Buffer, start: number, length: number): Buffer {
  return content.length === start + length ? content.subarray(start) : content
}
