import { once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { isReachable, probeKafka, probePostgres, probeRabbitMq, type Address } from '../src/probes.js'

let server: Server | undefined
afterEach(() => {
  server?.close()
})

/** A server that answers whatever it is asked with `answer`, one byte at a time. */
const answering = async (answer: Buffer | undefined): Promise<Address> => {
  server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', () => {
      if (answer === undefined) return void socket.destroy()
      for (const byte of answer) socket.write(Buffer.from([byte]))
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port }
}

const closedPort = async (): Promise<Address> => {
  const address = await answering(undefined)
  server?.close()
  return address
}

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

const string = (text: string): Buffer => Buffer.concat([Buffer.from([0, text.length]), Buffer.from(text)])

describe('probes', () => {
  it('read the version from the AMQP handshake', async () => {
    const body = Buffer.concat([
      Buffer.from([0, 10, 0, 10, 0, 9]),
      int32(22),
      Buffer.from('\x07versionS'),
      int32(5),
      Buffer.from('4.3.6'),
    ])
    const frame = Buffer.concat([Buffer.from([1, 0, 0]), int32(body.length), body, Buffer.from([0xce])])
    expect(await probeRabbitMq(await answering(frame))).toBe('4.3.6')
  })

  it('read the live brokers from Kafka, racks or none', async () => {
    const broker = (id: number, rack: Buffer): Buffer =>
      Buffer.concat([int32(id), string('127.0.0.1'), int32(9092), rack])
    const none = Buffer.from([0xff, 0xff])
    const body = Buffer.concat([int32(1), int32(2), broker(1, none), broker(3, string('a')), int32(1), int32(0)])
    expect(await probeKafka(await answering(Buffer.concat([int32(body.length), body])))).toEqual([1, 3])
  })

  it('take any answer of PostgreSQL', async () => {
    expect(await probePostgres(await answering(Buffer.from('N')))).toBe(true)
  })

  it('give nothing where the port is closed or hangs up', async () => {
    const closed = await closedPort()
    expect(await probeRabbitMq(closed)).toBeUndefined()
    expect(await isReachable(closed)).toBe(false)
    const rude = await answering(undefined)
    expect(await probeKafka(rude)).toBeUndefined()
    expect(await probePostgres(rude)).toBeUndefined()
    expect(await isReachable(rude)).toBe(true)
  })
})
