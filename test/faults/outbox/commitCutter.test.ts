import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { createFaultProxy } from '@posthorn/testing'
import { afterEach, expect, test } from 'vitest'
import { createCommitCutter } from './commitCutter.js'
import type { CommitCutter } from './commitCutter.js'
import { createPostgresFrames, isCommit } from './postgresFrames.js'

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** The first message of a connection: its length, the version of the protocol, and what else. */
function startup(): Buffer {
  const body = Buffer.from('\0\x03\0\0user\0postgres\0\0', 'latin1')
  const size = Buffer.alloc(4)
  size.writeUInt32BE(body.length + 4)
  return Buffer.concat([size, body])
}

function query(text: string): Buffer {
  const body = Buffer.from(`${text}\0`)
  const head = Buffer.from('Q\0\0\0\0')
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/** A server that answers every message with one byte, and a client behind a cutter. */
async function connected(): Promise<{ client: Socket; cutter: CommitCutter; asked: Buffer[]; answers: Buffer[] }> {
  const asked: Buffer[] = []
  const answers: Buffer[] = []
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on(
      'data',
      createPostgresFrames((frame) => {
        asked.push(Buffer.from(frame))
        socket.write('!')
      }),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  ends.push(() => new Promise((resolve) => server.close(resolve)))
  const cutter = createCommitCutter()
  const target = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const proxy = await createFaultProxy({ target, inspect: cutter.inspect })
  ends.push(() => proxy.close())
  const client = connect({ host: '127.0.0.1', port: proxy.port, noDelay: true })
  client.on('error', () => {})
  client.on('data', (chunk) => answers.push(chunk))
  client.write(startup())
  await once(client, 'data')
  return { client, cutter, asked, answers }
}

async function answered(client: Socket, message: Buffer): Promise<void> {
  client.write(message)
  await once(client, 'data')
}

function closed(client: Socket): Promise<void> {
  return new Promise((resolve) => client.once('close', () => resolve()))
}

test('messages are found in whatever chunks they come', () => {
  const found: string[] = []
  const take = createPostgresFrames((frame) => found.push(isCommit(frame) ? 'commit' : 'other'))
  const bytes = Buffer.concat([startup(), query('begin'), query('COMMIT'), query('commits'), query('commit')])
  for (const byte of bytes) take(Buffer.from([byte]))
  expect(found).toEqual(['other', 'other', 'commit', 'other', 'commit'])
})

test('asking for TLS first is a message without a type, too', () => {
  const ask = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])
  const found: number[] = []
  createPostgresFrames((frame) => found.push(frame.length))(Buffer.concat([ask, startup(), query('commit')]))
  expect(found).toEqual([8, startup().length, query('commit').length])
})

test('a request that is cut never reaches the server', async () => {
  const { client, cutter, asked } = await connected()
  cutter.cut(1, 'request')
  await answered(client, query('begin'))
  client.write(query('commit'))
  await closed(client)
  expect(asked.map(isCommit)).toEqual([false, false])
  expect(cutter.cutCount).toBe(1)
})

test('an answer that is cut is one to what the server has done', async () => {
  const { client, cutter, asked, answers } = await connected()
  cutter.cut(1, 'answer')
  await answered(client, query('begin'))
  const before = answers.length
  client.write(query('commit'))
  await closed(client)
  expect(asked.map(isCommit)).toEqual([false, false, true])
  expect(answers).toHaveLength(before)
})

test('only every so many-th is cut, and none when that is over', async () => {
  const { client, cutter } = await connected()
  cutter.cut(3)
  await answered(client, query('commit'))
  await answered(client, query('commit'))
  cutter.cut(undefined)
  await answered(client, query('commit'))
  expect(cutter.cutCount).toBe(0)
})
