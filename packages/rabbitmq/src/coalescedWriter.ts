import type { Duplex } from 'node:stream'
import type { ConfirmChannel as AmqpConfirmChannel } from 'amqplib'
import { frameOverhead, maxPublishBytes, writePublish } from './publishFrames.js'
import type { FrameWriter } from './publishFrames.js'
import type { PublishWriter, WriterListener } from './publishWriter.js'

/*
 * The only place that reaches into amqplib. Its own path encodes a message into three buffers, copies them into one,
 * sends that through two streams, and makes one system call for each message. Here the messages of one turn of the event
 * loop are encoded one after the other into one buffer, which goes to the socket at the end of the turn.
 *
 * Frames are never torn apart: buffers end between messages, slices of a large one between frames, and amqplib writes whole
 * frames too. On a channel that publishes, amqplib itself writes nothing between `confirm.select` and `channel.close`.
 */

/** Bytes of one buffer: about fifty events of a kilobyte. Larger ones made publishing no cheaper. */
const bufferBytes = 65_536
/** Buffers kept for the next turn. */
const maxSpareCount = 16
/**
 * Larger buffers go to the socket slice by slice, each when the one before has left: a socket says nothing of a write before
 * all of it is through, and writes that wait for one another are one write to it.
 */
const sliceBytes = 262_144
/** With so many bytes not taken by the system, publishing pauses. */
const maxUnsentBytes = 1_048_576

/** What is used of a channel of amqplib 2 beyond its types. */
interface ChannelInsides {
  /** Its number. */
  readonly ch: number
  readonly connection: {
    readonly stream: Duplex
    readonly frameMax: number
    /** Whether a heartbeat is due. */
    sentSinceLastCheck: boolean
  }
}

/** A writer that coalesces, or nothing when the channel does not look as those of amqplib 2 do. */
export function coalescedWriter(channel: AmqpConfirmChannel, listener: WriterListener): PublishWriter | undefined {
  const insides = insidesOf(channel)
  if (insides === undefined) return undefined
  // amqplib's own books of publishes stay empty. It would keep holes in them (amqplib's `handleConfirm`).
  channel.removeAllListeners('ack')
  channel.removeAllListeners('nack')
  const refused = new Error('message nacked')
  channel.on('ack', (fields: Answer) => listener.answered(fields.deliveryTag, fields.multiple))
  channel.on('nack', (fields: Answer) => listener.answered(fields.deliveryTag, fields.multiple, refused))
  return createWriter(insides, listener)
}

interface Answer {
  readonly deliveryTag: number
  readonly multiple: boolean
}

function insidesOf(channel: AmqpConfirmChannel): ChannelInsides | undefined {
  const { ch, connection } = channel as unknown as Partial<ChannelInsides>
  if (!Number.isInteger(ch) || connection === undefined) return undefined
  const { stream, frameMax, sentSinceLastCheck } = connection as Partial<ChannelInsides['connection']>
  const isKnown =
    typeof stream?.write === 'function' &&
    typeof stream.destroyed === 'boolean' &&
    Number.isInteger(frameMax) &&
    (frameMax as number) >= 4_096 &&
    typeof sentSinceLastCheck === 'boolean' &&
    channel.listenerCount('ack') === 1 &&
    channel.listenerCount('nack') === 1
  return isKnown ? (channel as unknown as ChannelInsides) : undefined
}

function createWriter({ ch, connection }: ChannelInsides, listener: WriterListener): PublishWriter {
  const { stream, frameMax } = connection
  const spare: Buffer[] = []
  let frames: FrameWriter & { buffer: Buffer } = { buffer: Buffer.allocUnsafeSlow(bufferBytes), channel: ch, frameMax }
  /** From the first one on that is written in slices: what comes after it waits for its turn. */
  const sliced: Batch[] = []
  let used = 0
  let takenCount = 0
  let handedOverCount = 0
  let leftCount = 0
  let unsentBytes = 0
  let isPaused = false
  let isScheduled = false

  function endTurn(): void {
    isScheduled = false
    handOver()
  }

  function handOver(): void {
    if (used === 0) return
    const batch: Batch = { buffer: frames.buffer, end: used, at: 0, takenCount }
    used = 0
    unsentBytes += batch.end
    frames = { buffer: spare.pop() ?? Buffer.allocUnsafeSlow(bufferBytes), channel: ch, frameMax }
    if (sliced.length === 0 && batch.end <= sliceBytes) return send(batch, batch.end)
    sliced.push(batch)
    if (sliced.length === 1) send(batch, sliceEnd(batch))
  }

  function send(batch: Batch, end: number): void {
    const { buffer, at } = batch
    batch.at = end
    handedOverCount = batch.takenCount
    connection.sentSinceLastCheck = true
    stream.write(at === 0 && buffer.length === end ? buffer : buffer.subarray(at, end), (error) => {
      unsentBytes -= end - at
      // The socket is gone; the channel's close event tells of that.
      if (error !== null && error !== undefined) return
      listener.progressed()
      if (end === batch.end) whollySent(batch)
      if (batch === sliced[0]) sendNext()
      if (!isPaused || unsentBytes > maxUnsentBytes / 2) return
      isPaused = false
      listener.drained()
    })
  }

  function whollySent({ buffer, takenCount: count }: Batch): void {
    leftCount = count
    if (buffer.length === bufferBytes && spare.length < maxSpareCount) spare.push(buffer)
  }

  function sendNext(): void {
    if (sliced[0]!.at === sliced[0]!.end) sliced.shift()
    const next = sliced[0]
    if (next !== undefined) send(next, sliceEnd(next))
  }

  return {
    write(message, address) {
      const most = maxPublishBytes(message, address, frameMax)
      if (used + most > frames.buffer.length) handOver()
      if (most > frames.buffer.length) frames = { buffer: Buffer.allocUnsafeSlow(most), channel: ch, frameMax }
      used = writePublish(frames, used, message, address)
      takenCount += 1
      // Runs when all promise jobs of this turn have run: callers that a burst of confirmations woke are all in.
      if (!isScheduled) process.nextTick(endTurn)
      isScheduled = true
      isPaused ||= unsentBytes > maxUnsentBytes
      return !isPaused
    },
    flush() {
      handOver()
      for (const batch of sliced.splice(0)) if (batch.at < batch.end) send(batch, batch.end)
    },
    stop() {
      used = 0
      sliced.length = 0
    },
    get handedOverCount() {
      return handedOverCount
    },
    get leftCount() {
      return leftCount
    },
    wearsChannel: false,
  }
}

/** Messages on their way to the socket, as frames. */
interface Batch {
  readonly buffer: Buffer
  readonly end: number
  /** Handed to the socket up to here. */
  at: number
  /** Messages taken up to its end. */
  readonly takenCount: number
}

/** Where the next slice ends: between two frames, since amqplib may write frames of its own in between. */
function sliceEnd({ buffer, at, end }: Batch): number {
  let to = at
  while (to < end && to - at < sliceBytes) to += frameOverhead + buffer.readUInt32BE(to + 3)
  return to
}
