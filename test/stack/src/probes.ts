import { connect } from 'node:net'

export interface Address {
  readonly host: string
  readonly port: number
}

export const onLoopback = (port: number | undefined): Address => ({ host: '127.0.0.1', port: port as number })

/** Whether anything takes connections there, whatever it speaks. */
export const isReachable = (at: Address): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(at)
    const done = (reachable: boolean): void => {
      socket.destroy()
      resolve(reachable)
    }
    socket.setTimeout(2000, () => done(false))
    socket.on('error', () => done(false))
    socket.on('connect', () => done(true))
  })

/** Sends `request` and collects the answer until `parse` makes something of it; undefined when that never comes. */
export const ask = <T>(
  at: Address,
  request: Buffer,
  parse: (answer: Buffer) => T | undefined,
): Promise<T | undefined> =>
  new Promise((resolve) => {
    const socket = connect(at)
    let answer = Buffer.alloc(0)
    const done = (value: T | undefined): void => {
      socket.destroy()
      resolve(value)
    }
    socket.setTimeout(2000, () => done(undefined))
    socket.on('error', () => done(undefined))
    socket.on('close', () => done(undefined))
    socket.on('connect', () => socket.write(request))
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk])
      const value = parse(answer)
      if (value !== undefined) done(value)
    })
  })

/** Says hello in AMQP 0-9-1 and returns the version in the server's properties; undefined when nobody answers. */
export const probeRabbitMq = (address: Address): Promise<string | undefined> =>
  ask(address, Buffer.from('AMQP\0\0\x09\x01', 'latin1'), (answer) => {
    if (answer.length < 7 || answer.length < 8 + answer.readUInt32BE(3)) return undefined
    // A table entry: name length, name, the type S, four bytes of length, the value.
    const at = answer.indexOf(Buffer.from('\x07versionS', 'latin1'))
    if (at < 0) return 'unknown'
    const length = answer.readUInt32BE(at + 9)
    return answer.toString('utf8', at + 13, at + 13 + length)
  })

/** Asks a Kafka broker which brokers it knows to be alive: their node ids; undefined when nobody answers. */
export const probeKafka = (address: Address): Promise<number[] | undefined> => {
  // Metadata, version 1, correlation id 1, client id 'posthorn', an empty list of topics.
  const body = Buffer.from('\0\x03\0\x01\0\0\0\x01\0\x08posthorn\0\0\0\0', 'latin1')
  const size = Buffer.alloc(4)
  size.writeUInt32BE(body.length)
  return ask(address, Buffer.concat([size, body]), (answer) => {
    if (answer.length < 4 || answer.length < 4 + answer.readUInt32BE(0)) return undefined
    return readBrokerIds(answer)
  })
}

const readBrokerIds = (answer: Buffer): number[] => {
  const ids: number[] = []
  let at = 12 // size, correlation id, number of brokers
  for (let left = answer.readInt32BE(8); left > 0; left--) {
    ids.push(answer.readInt32BE(at))
    at += 6 + answer.readInt16BE(at + 4) + 4 // id, host, port
    at += 2 + Math.max(0, answer.readInt16BE(at)) // rack, which may be null
  }
  return ids
}

/** Asks a PostgreSQL server whether it speaks TLS: the one-byte answer means that it takes connections. */
export const probePostgres = (address: Address): Promise<true | undefined> =>
  ask(address, Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]), (answer) => (answer.length > 0 ? true : undefined))

/** The status code that a server gives for a path; undefined when nobody answers. */
export const httpGet = (address: Address, path: string): Promise<number | undefined> =>
  ask(address, Buffer.from(`GET ${path} HTTP/1.0\r\n\r\n`), (answer) => {
    const status = /^HTTP\/1\.\d (\d{3})/.exec(answer.toString('latin1'))?.[1]
    return status === undefined ? undefined : Number(status)
  })
