import { createServer, connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/** A frame from the broker to the client. */
export interface BrokerFrame {
  readonly channel: number
  /** Undefined where the frame is the content of a method. */
  readonly method: (typeof known)[keyof typeof known] | 'other' | undefined
}

/** A proxy that understands AMQP frames, so that a broker can be made to leave out single ones. */
export interface AmqpProxy {
  readonly url: string
  /** Frames that are left out from now on; the content of a method goes with it. */
  drop(test: (frame: BrokerFrame) => boolean): void
  /** Ends all connections that are there. */
  cut(): void
  close(): Promise<void>
}

const methodFrame = 1
/** By class and method. */
const known = {
  '20.11': 'channel.openOk',
  '40.11': 'exchange.declareOk',
  '50.11': 'queue.declareOk',
  '60.21': 'basic.consumeOk',
  '60.30': 'basic.cancel',
  '60.60': 'basic.deliver',
  '60.80': 'basic.ack',
  '85.11': 'confirm.selectOk',
} as const

export async function amqpProxy(target: string): Promise<AmqpProxy> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  let isDropped: (frame: BrokerFrame) => boolean = () => false

  const server = createServer((client) => {
    const broker = connect(Number(port), hostname)
    for (const socket of [client, broker]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        broker.destroy()
      })
    }
    client.pipe(broker)
    const filter = frameFilter((frame) => isDropped(frame))
    broker.on('data', (bytes: Buffer) => client.write(filter(bytes)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = new URL(target)
  url.port = String((server.address() as AddressInfo).port)
  return {
    url: url.href,
    drop: (test) => (isDropped = test),
    cut() {
      for (const socket of sockets) socket.destroy()
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Gives what is left of the bytes; a frame that is not whole yet waits for its rest. */
function frameFilter(isDropped: (frame: BrokerFrame) => boolean): (bytes: Buffer) => Buffer {
  let rest: Buffer = Buffer.alloc(0)
  const droppedContent = new Set<number>()
  return (bytes) => {
    rest = Buffer.concat([rest, bytes])
    const kept: Buffer[] = []
    while (rest.length >= 7 && rest.length >= rest.readUInt32BE(3) + 8) {
      const frame = rest.subarray(0, rest.readUInt32BE(3) + 8)
      rest = rest.subarray(frame.length)
      const channel = frame.readUInt16BE(1)
      const isMethod = frame[0] === methodFrame
      if (isMethod) {
        const name =
          (known as Readonly<Record<string, BrokerFrame['method']>>)[
            `${frame.readUInt16BE(7)}.${frame.readUInt16BE(9)}` as '60.30'
          ] ?? 'other'
        if (isDropped({ channel, method: name })) droppedContent.add(channel)
        else droppedContent.delete(channel)
      }
      if (channel === 0 || !droppedContent.has(channel)) kept.push(frame)
    }
    return Buffer.concat(kept)
  }
}
