import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { codeOf } from '@posthorn/core'
import { createPostgresStore } from '@posthorn/postgres'
import pg from 'pg'
import { expect, test } from 'vitest'

function frame(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write(type, 0, 'latin1')
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

const welcome = Buffer.concat([frame('R', Buffer.alloc(4)), frame('Z', Buffer.from('I'))])
const farewell = frame('E', Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0', 'latin1'))

test('a server that lets a client in and goes away in one packet is an outage, and does not end the process', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end(Buffer.concat([welcome, farewell])))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const pool = new pg.Pool({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres', max: 1 })
  const stores = [createPostgresStore({ pool }), createPostgresStore({ pool })]
  for (const store of stores) {
    expect(await store.transaction(() => Promise.resolve()).catch(codeOf)).toBe('POSTHORN_OUTBOX_UNAVAILABLE')
    expect(await store.stats().catch(codeOf)).toBe('POSTHORN_OUTBOX_UNAVAILABLE')
  }
  // However many stores share a pool.
  expect(pool.listenerCount('connect')).toBe(1)
  await pool.end()
  await new Promise((resolve) => server.close(resolve))
})
