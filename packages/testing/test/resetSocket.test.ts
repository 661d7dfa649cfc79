import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { expect, test } from 'vitest'
import { resetSocket } from '../src/resetSocket.js'

async function withPair(use: (client: Socket, server: Socket) => Promise<void>): Promise<void> {
  const listener = createServer({ allowHalfOpen: true })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const client = connect({ port: (listener.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
  const [server] = (await once(listener, 'connection')) as [Socket]
  client.on('error', () => {})
  server.on('error', () => {})
  try {
    if (client.connecting) await once(client, 'connect')
    await use(client, server)
  } finally {
    client.destroy()
    server.destroy()
    listener.close()
  }
}

test('the other side sees a reset', async () => {
  await withPair(async (client, server) => {
    const error = once(server, 'error')
    server.resume()
    resetSocket(client)
    expect((await error)[0]).toMatchObject({ code: 'ECONNRESET' })
  })
})

test('a socket whose end is just being sent is closed all the same', async () => {
  await withPair(async (client) => {
    const closed = once(client, 'close')
    client.end()
    resetSocket(client)
    await closed
  })
})

test('a socket that is still connecting is given up at once', async () => {
  const socket = connect(1, '127.0.0.1')
  socket.on('error', () => {})
  const closed = once(socket, 'close')
  resetSocket(socket)
  expect(socket.destroyed).toBe(true)
  await closed
})
