import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { createFaultProxy, eventually } from '../src/index.js'
import type { FaultInspector, FaultProxy } from '../src/index.js'

/** One end of a connection, with all that reached it. */
interface End {
  readonly socket: Socket
  received: string
  ended: boolean
  /** The code of its error, once it is closed. */
  closed: string | undefined
}

const cleanUps: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

function endOf(socket: Socket): End {
  const end: End = { socket, received: '', ended: false, closed: undefined }
  let code = 'none'
  socket.setEncoding('latin1')
  socket.on('data', (text: string) => (end.received += text))
  socket.on('end', () => (end.ended = true))
  socket.on('error', (error: NodeJS.ErrnoException) => (code = error.code ?? 'unknown'))
  socket.on('close', () => (end.closed = code))
  cleanUps.push(() => socket.destroy())
  return end
}

interface Bench {
  readonly proxy: FaultProxy
  /** What the server has accepted. */
  readonly served: End[]
  readonly server: Server
  connect(): Promise<End>
}

/** A server that answers every text with itself, unless told otherwise, and a proxy in front of it. */
async function bench(
  answer: (text: string, socket: Socket) => void = (text, socket) => socket.write(text),
  inspect?: () => FaultInspector,
): Promise<Bench> {
  const served: End[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    served.push(endOf(socket))
    socket.on('data', (text) => answer(String(text), socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanUps.push(() => new Promise((resolve) => server.close(resolve)))
  const target = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const proxy = await createFaultProxy({ target, ...(inspect === undefined ? {} : { inspect }) })
  cleanUps.push(() => proxy.close())
  return {
    proxy,
    served,
    server,
    async connect() {
      const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true })
      const end = endOf(socket)
      await new Promise((resolve) => socket.once('connect', resolve))
      return end
    },
  }
}

const has = (end: () => End | undefined, text: string): Promise<unknown> =>
  eventually(
    () => end()?.received,
    (received) => received === text,
  )
const closes = (end: End): Promise<unknown> =>
  eventually(
    () => end.closed,
    (code) => code !== undefined,
  )

/** Broken off by a reset: libuv shows one that it finds together with bytes as an end. */
const breaks = (end: End): Promise<unknown> =>
  eventually(
    () => end.closed ?? end.ended,
    (broken) => broken !== false,
  )

test('bytes pass both ways, and a half-closed side still hears the answer', async () => {
  const { proxy, served, connect: open } = await bench(() => {})
  const client = await open()
  client.socket.end('question')
  await has(() => served[0], 'question')
  await eventually(
    () => served[0]?.ended,
    (ended) => ended === true,
  )
  expect(client.closed).toBeUndefined()
  expect(proxy.connectionCount).toBe(1)
  served[0]!.socket.end('answer')
  await closes(client)
  expect(client).toMatchObject({ received: 'answer', closed: 'none' })
  await eventually(
    () => proxy.connectionCount,
    (count) => count === 0,
  )
  expect(proxy.resetCount).toBe(0)
})

test('the server gets exactly the bytes before the reset, and both sides see a reset', async () => {
  const { proxy, served, connect: open } = await bench(() => {})
  const client = await open()
  client.socket.write('0123')
  await has(() => served[0], '0123')
  proxy.resetAfterBytes(5)
  client.socket.write('45')
  client.socket.write('6789abcdef')
  await closes(client)
  await breaks(served[0]!)
  expect(client.closed).toBe('ECONNRESET')
  expect(served[0]!.received).toBe('012345678')
  expect(proxy.resetCount).toBe(1)
  const second = await open()
  second.socket.write('0123456789')
  await has(() => served[1], '0123456789')
})

test('the client gets exactly the bytes of the answer before the reset', async () => {
  const { proxy, served, connect: open } = await bench()
  proxy.resetAfterBytes(3, 'toClient')
  const client = await open()
  client.socket.write('0123456789')
  await breaks(client)
  expect(client.received).toBe('012')
  expect(served[0]!.received).toBe('0123456789')
})

test('bytes of both directions and of all connections count towards one reset', async () => {
  const { proxy, connect: open } = await bench()
  const [first, second] = [await open(), await open()]
  proxy.resetAfterBytes(10, 'both')
  first.socket.write('abc')
  await has(() => first, 'abc')
  second.socket.write('defg')
  await closes(second)
  expect(second).toMatchObject({ received: '', closed: 'ECONNRESET' })
  first.socket.write('h')
  await has(() => first, 'abch')
})

test('an inspector breaks its own connection, behind as many bytes as it says', async () => {
  const inspected: string[] = []
  const inspect = (): FaultInspector => {
    const number = inspected.push('') - 1
    return {
      toServer(bytes) {
        inspected[number] += String(bytes)
        return bytes.includes('!') ? bytes.indexOf('!') : undefined
      },
      toClient: (bytes) => (bytes.includes('?') ? 0 : undefined),
    }
  }
  const { proxy, served, connect: open } = await bench(undefined, inspect)
  const [first, second, third] = [await open(), await open(), await open()]
  first.socket.write('abc')
  await has(() => first, 'abc')
  first.socket.write('de!f')
  await closes(first)
  expect(first.closed).toBe('ECONNRESET')
  second.socket.write('what?')
  await closes(second)
  expect(second).toMatchObject({ received: '', closed: 'ECONNRESET' })
  third.socket.write('xyz')
  await has(() => third, 'xyz')
  expect(served.map(({ received }) => received).toSorted()).toEqual(['abcde', 'what?', 'xyz'])
  expect(inspected).toEqual(['abcde!f', 'what?', 'xyz'])
  expect(proxy.resetCount).toBe(2)
})

test('a blackhole to the server holds everything, new connections too, until it is healed', async () => {
  const { proxy, served, connect: open } = await bench()
  const old = await open()
  old.socket.write('a')
  await has(() => old, 'a')
  proxy.blackhole('toServer')
  old.socket.write('b')
  served[0]!.socket.write('!')
  await has(() => old, 'a!')
  const late = await open()
  late.socket.write('c')
  // A whole way back and forth beside it, so that what could pass has passed.
  served[0]!.socket.write('?')
  await has(() => old, 'a!?')
  expect(served.map(({ received }) => received)).toEqual(['a'])
  proxy.heal()
  await has(() => old, 'a!?b')
  await has(() => late, 'c')
})

test('a blackhole to the client holds answers alone: the request was heard', async () => {
  const { proxy, served, connect: open } = await bench()
  const client = await open()
  proxy.blackhole('toClient')
  client.socket.write('done')
  await has(() => served[0], 'done')
  client.socket.write(', and more')
  await has(() => served[0], 'done, and more')
  expect(client.received).toBe('')
  proxy.heal()
  await has(() => client, 'done, and more')
})

test('in a blackhole the server does not learn that its client is gone', async () => {
  const { proxy, served, connect: open } = await bench()
  const client = await open()
  client.socket.write('a')
  await has(() => client, 'a')
  proxy.blackhole()
  client.socket.resetAndDestroy()
  await closes(client)
  const other = await open()
  expect(other.closed).toBeUndefined()
  expect(served[0]!.closed).toBeUndefined()
  proxy.heal()
  await closes(served[0]!)
})

test('delayed bytes come late and in order', async () => {
  const { proxy, connect: open } = await bench()
  const client = await open()
  proxy.delay(120, 'toServer')
  const start = performance.now()
  client.socket.write('slow ')
  setTimeout(() => client.socket.write('and in order'), 20)
  await has(() => client, 'slow and in order')
  expect(performance.now() - start).toBeGreaterThanOrEqual(119)
  proxy.heal()
  client.socket.write('!')
  await has(() => client, 'slow and in order!')
})

test('a cut resets every connection at once, and the next one works', async () => {
  const { proxy, connect: open } = await bench()
  const ends = [await open(), await open()]
  for (const end of ends) {
    end.socket.write('x')
    await has(() => end, 'x')
  }
  proxy.cut()
  for (const end of ends) await closes(end)
  expect(ends.map(({ closed }) => closed)).toEqual(['ECONNRESET', 'ECONNRESET'])
  const next = await open()
  next.socket.write('y')
  await has(() => next, 'y')
})

test('a server that does not listen resets its clients', async () => {
  const { server, connect: open } = await bench()
  await new Promise<void>((resolve) => server.close(() => resolve()))
  const client = await open()
  await closes(client)
  expect(client.closed).toBe('ECONNRESET')
})

test('many bytes pass unchanged, however slow the reader and whatever the delay', async () => {
  const { proxy, served, connect: open } = await bench(() => {})
  const client = await open()
  proxy.delay(30)
  const text = Array.from({ length: 12 }, (_, index) => String.fromCharCode(97 + index).repeat(1_000_000)).join('')
  await eventually(
    () => served.length,
    (count) => count === 1,
  )
  served[0]!.socket.pause()
  client.socket.end(text)
  setTimeout(() => served[0]!.socket.resume(), 100)
  await eventually(
    () => served[0]!.ended,
    (ended) => ended,
  )
  expect(served[0]!.received === text).toBe(true)
})

test('closing ends its connections and frees its port, as often as it is asked', async () => {
  const { proxy, connect: open } = await bench()
  const client = await open()
  await Promise.all([proxy.close(), proxy.close()])
  await closes(client)
  expect(proxy.connectionCount).toBe(0)
  const refused = connect(proxy.port, '127.0.0.1')
  const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException]
  expect(error.code).toBe('ECONNREFUSED')
})

test('the url keeps user, password and path, and leads through the proxy', async () => {
  await using proxy = await createFaultProxy({ target: 'amqp://guest:secret@localhost:5672/shop' })
  expect(proxy.url).toBe(`amqp://guest:secret@127.0.0.1:${proxy.port}/shop`)
  await using plain = await createFaultProxy({ target: 'localhost:9092' })
  expect(plain.url).toBe(`127.0.0.1:${plain.port}`)
})
