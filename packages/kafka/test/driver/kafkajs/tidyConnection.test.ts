import { once } from 'node:events'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createSocketRegistry } from '../../../src/driver/kafkajs/socketRegistry.js'
import { tidyConnection } from '../../../src/driver/kafkajs/tidyConnection.js'

interface Connection {
  connect(): Promise<unknown>
  disconnect(): Promise<unknown>
  isConnected(): boolean
  send(wanted: object): Promise<Buffer>
  sendAuthRequest(wanted: object): Promise<unknown>
}

const load = createRequire(import.meta.url)
const KafkajsConnection = load('kafkajs/src/network/connection') as new (options: object) => Connection
const Encoder = load('kafkajs/src/protocol/encoder') as new () => object
const silent = { debug() {}, warn() {}, info() {}, error() {}, namespace: () => silent }

const servers: Server[] = []
const sockets: Socket[] = []
const connections: Connection[] = []

afterEach(async () => {
  await Promise.all(connections.splice(0).map((connection) => connection.disconnect()))
  for (const socket of sockets.splice(0)) socket.destroy()
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))))
})

/** A connection to a server that does with each of its connections what it is told, the last for all that follow. */
async function connectionTo(...talks: readonly ((socket: Socket) => void)[]): Promise<Connection> {
  let index = 0
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    talks[Math.min(index++, talks.length - 1)]!(socket)
  })
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const connection = new KafkajsConnection({
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    logger: silent,
    requestTimeout: 1_000,
    connectionTimeout: 1_000,
    socketFactory: createSocketRegistry().factory,
  })
  connections.push(connection)
  return connection
}

const question = {
  request: { apiKey: 18, apiVersion: 0, apiName: 'ApiVersions', encode: () => Promise.resolve(new Encoder()) },
  response: { decode: (bytes: Buffer) => Promise.resolve(bytes), parse: (bytes: Buffer) => Promise.resolve(bytes) },
}

/** Answers each request with the text. */
const answering =
  (text: string) =>
  (socket: Socket): void =>
    void socket.on('data', (request) => {
      const answer = Buffer.alloc(8 + text.length)
      answer.writeInt32BE(4 + text.length, 0)
      answer.writeInt32BE(request.readInt32BE(8), 4)
      answer.write(text, 8)
      socket.write(answer)
    })

/** Sends these bytes as soon as it is asked something, and then resets the connection. */
const breaking =
  (...bytes: readonly number[]) =>
  (socket: Socket): void =>
    void socket.once('data', () =>
      socket.write(Buffer.from(bytes), () => setTimeout(() => socket.resetAndDestroy(), 20)),
    )

/** Half of an answer of 32 bytes. */
const half = [0, 0, 0, 32, 0, 0, 0, 0, 1, 2, 3]

describe('a connection of kafkajs', () => {
  it('by itself reads what the next connection brings as the rest of a broken answer', async () => {
    const connection = await connectionTo(breaking(...half), answering('well'))
    await connection.connect()
    await expect(connection.send(question)).rejects.toThrow()
    await connection.connect()
    await expect(connection.send(question)).rejects.toThrow(/timed out/)
  })

  it('begins anew after a broken answer, once it is tidy', async () => {
    const connection = await connectionTo(breaking(...half), answering('well'))
    expect(tidyConnection(connection)).toBe(true)
    await connection.connect()
    await expect(connection.send(question)).rejects.toThrow()
    await connection.connect()
    expect(String(await connection.send(question))).toBe('well')
  })

  it('is opened once by all who ask at the same time', async () => {
    const connection = await connectionTo(answering('well'))
    tidyConnection(connection)
    await Promise.all([connection.connect(), connection.connect(), connection.connect()])
    expect(String(await connection.send(question))).toBe('well')
    expect(sockets).toHaveLength(1)
  })

  it('fails what waits for an answer that makes no sense, and connects again', async () => {
    // An answer of two bytes has no number of a request.
    const connection = await connectionTo(
      (socket) => void socket.once('data', () => socket.write(Buffer.from([0, 0, 0, 2, 9, 9]))),
      answering('well'),
    )
    tidyConnection(connection)
    await connection.connect()
    await expect(connection.send(question)).rejects.toThrow()
    await connection.connect()
    expect(String(await connection.send(question))).toBe('well')
  })

  it('fails a login whose connection is reset', async () => {
    const connection = await connectionTo((socket) => void socket.once('data', () => socket.resetAndDestroy()))
    tidyConnection(connection)
    await connection.connect()
    const encode = (): Promise<Buffer> => Promise.resolve(Buffer.from([0, 0, 0, 1, 1]))
    await expect(connection.sendAuthRequest({ request: { encode }, response: {} })).rejects.toThrow()
  })

  it('forgets a login that was asked for between two connections', async () => {
    const connection = await connectionTo(answering('well'))
    tidyConnection(connection)
    await connection.connect()
    await connection.disconnect()
    const encode = (): Promise<Buffer> => Promise.resolve(Buffer.from([0, 0, 0, 1, 1]))
    await expect(connection.sendAuthRequest({ request: { encode }, response: {} })).rejects.toThrow('Not connected')
    await connection.connect()
    expect(String(await connection.send(question))).toBe('well')
  })

  it('hears no more of the one before', async () => {
    let lateWords: (() => void) | undefined
    const connection = await connectionTo((socket) => {
      answering('old')(socket)
      lateWords = () => socket.write(Buffer.from(half))
    }, answering('new'))
    tidyConnection(connection)
    await connection.connect()
    await connection.disconnect()
    const sayMore = lateWords!
    await connection.connect()
    sayMore()
    // Whatever came of it would have come before the answer to the second question.
    expect(String(await connection.send(question))).toBe('new')
    expect(String(await connection.send(question))).toBe('new')
  })

  it.each([undefined, null, {}, { chunks: [], bytesBuffered: 0, bytesNeeded: 4, authHandlers: null }])(
    'is left as it is when it looks different: %o',
    (other) => {
      const before = JSON.stringify(other)
      expect(tidyConnection(other)).toBe(false)
      expect(JSON.stringify(other)).toBe(before)
    },
  )
})
