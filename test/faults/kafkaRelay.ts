import { createKafkaFrames } from './kafkaFrames.js'
import { createTcpBridge, host } from './tcpBridge.js'

/** Requests of Kafka's protocol by their numbers: https://kafka.apache.org/protocol#protocol_api_keys. */
export const kafkaApis = {
  produce: 0,
  fetch: 1,
  metadata: 3,
  offsetCommit: 8,
  findCoordinator: 10,
  joinGroup: 11,
  heartbeat: 12,
  syncGroup: 14,
  describeCluster: 60,
} as const

/** What becomes of the connection whose answer is lost: it goes on without the answer, or breaks. */
export type Loss = 'swallowed' | 'reset'

/** Between a proxy and one broker: knows the protocol, so that clients find the proxies and not the brokers. */
export interface KafkaRelay {
  /** Where it listens. */
  readonly address: string
  /** From now on brokers that listen on these ports of 127.0.0.1 are told to clients with other ports. */
  advertise(ports: ReadonlyMap<number, number>): void
  /** The broker does what these requests ask for, and its answers get lost; undefined ends that. */
  lose(requests: ReadonlySet<number> | undefined, loss?: Loss): void
  close(): Promise<void>
}

/** Answers that carry addresses: each is the host as a string, and then the port in four bytes. */
const withAddresses: ReadonlySet<number> = new Set([
  kafkaApis.metadata,
  kafkaApis.findCoordinator,
  kafkaApis.describeCluster,
])

/** Listens on a free port and leads to `127.0.0.1:<port>`, whole requests and answers at a time. */
export async function createKafkaRelay(port: number): Promise<KafkaRelay> {
  let advertised: ReadonlyMap<number, number> = new Map()
  let lost: ReadonlySet<number> | undefined
  let loss: Loss = 'swallowed'

  const { address, close } = await createTcpBridge(port, ({ client, server, reset }) => {
    /** What was asked and not answered yet: brokers answer in order. */
    const asked: number[] = []
    return {
      fromClient: createKafkaFrames((frame) => {
        asked.push(frame.readInt16BE(4))
        server.write(frame)
      }),
      fromServer: createKafkaFrames((frame) => {
        const api = asked.shift()!
        if (lost?.has(api) === true) return loss === 'reset' ? reset() : undefined
        client.write(withAddresses.has(api) ? readdressed(frame, advertised) : frame)
      }),
    }
  })
  return {
    address,
    advertise: (ports) => void (advertised = ports),
    lose(requests, how = 'swallowed') {
      lost = requests
      loss = how
    },
    close,
  }
}

/** Puts other ports behind the host, in place: an address stays as long as it was. */
export function readdressed(frame: Buffer, ports: ReadonlyMap<number, number>): Buffer {
  const name = Buffer.from(host, 'latin1')
  for (let at = frame.indexOf(name); at !== -1; at = frame.indexOf(name, at + name.length)) {
    const portAt = at + name.length
    if (portAt + 4 > frame.length) break
    const port = ports.get(frame.readUInt32BE(portAt))
    if (port !== undefined) frame.writeUInt32BE(port, portAt)
  }
  return frame
}
