import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { createKafkaFrames } from './kafkaFrames.js'
import { createKafkaRelay, kafkaApis, readdressed } from './kafkaRelay.js'

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

function framed(body: Buffer): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt32BE(body.length)
  return Buffer.concat([size, body])
}

/** The beginning of a request: its number, its version, and which one it is. */
function request(api: number, correlation = 1): Buffer {
  const body = Buffer.alloc(8)
  body.writeInt16BE(api, 0)
  body.writeInt32BE(correlation, 4)
  return framed(body)
}

function address(port: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(port)
  return Buffer.concat([Buffer.from('127.0.0.1'), bytes])
}

/** A broker that answers each request with the same bytes, and a client behind a relay to it. */
async function connected(answer: Buffer): Promise<{
  readonly client: Socket
  readonly relay: Awaited<ReturnType<typeof createKafkaRelay>>
  readonly asked: Buffer[]
  readonly answers: Buffer[]
}> {
  const asked: Buffer[] = []
  const answers: Buffer[] = []
  const broker: Server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on(
      'data',
      createKafkaFrames((frame) => {
        asked.push(frame)
        socket.write(framed(answer))
      }),
    )
  })
  broker.listen(0, '127.0.0.1')
  await once(broker, 'listening')
  const relay = await createKafkaRelay((broker.address() as AddressInfo).port)
  const [, port] = relay.address.split(':')
  const client = connect(Number(port), '127.0.0.1')
  client.on('error', () => {})
  client.on(
    'data',
    createKafkaFrames((frame) => answers.push(frame)),
  )
  await once(client, 'connect')
  ends.push(
    async () => new Promise((resolve) => broker.close(resolve)),
    () => relay.close(),
  )
  return { client, relay, asked, answers }
}

test.each([1, 3, 7, 1_000])('frames come out whole, whatever the chunks: %i bytes', (chunkBytes) => {
  const frames = [framed(Buffer.from('one')), framed(Buffer.alloc(0)), framed(Buffer.from('the third'))]
  const stream = Buffer.concat(frames)
  const seen: Buffer[] = []
  const take = createKafkaFrames((frame) => seen.push(Buffer.from(frame)))
  for (let at = 0; at < stream.length; at += chunkBytes) take(stream.subarray(at, at + chunkBytes))
  expect(seen).toEqual(frames)
})

test('every address of an answer gets its other port, and everything else stays', () => {
  const before = Buffer.concat([Buffer.from('x'), address(9_092), Buffer.from('yz'), address(9_093), address(9_094)])
  const after = readdressed(
    Buffer.from(before),
    new Map([
      [9_092, 1_001],
      [9_094, 1_002],
    ]),
  )
  expect(after).toEqual(
    Buffer.concat([Buffer.from('x'), address(1_001), Buffer.from('yz'), address(9_093), address(1_002)]),
  )
})

test('only answers that carry addresses are changed', async () => {
  const { client, relay, answers } = await connected(address(9_092))
  relay.advertise(new Map([[9_092, 1_001]]))
  client.write(Buffer.concat([request(kafkaApis.fetch), request(kafkaApis.metadata)]))
  await expect.poll(() => answers.length).toBe(2)
  expect(answers).toEqual([framed(address(9_092)), framed(address(1_001))])
})

test('a lost answer is one to a request that the broker got; those to other requests come', async () => {
  const { client, relay, asked, answers } = await connected(Buffer.from('answer'))
  relay.lose(new Set([kafkaApis.produce]))
  client.write(Buffer.concat([request(kafkaApis.produce), request(kafkaApis.fetch), request(kafkaApis.produce)]))
  await expect.poll(() => asked.length).toBe(3)
  await expect.poll(() => answers.length).toBe(1)
  relay.lose(undefined)
  client.write(request(kafkaApis.produce))
  await expect.poll(() => answers.length).toBe(2)
})

test('a lost answer can take its connection with it', async () => {
  const { client, relay, asked, answers } = await connected(Buffer.from('answer'))
  relay.lose(new Set([kafkaApis.produce]), 'reset')
  // Not `once` of `node:events`: it takes the reset for its own failure.
  const closed = new Promise<void>((resolve) => client.on('close', () => resolve()))
  client.write(request(kafkaApis.produce))
  await closed
  expect(asked).toHaveLength(1)
  expect(answers).toHaveLength(0)
})
