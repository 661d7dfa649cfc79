import { connect } from 'node:net'
import { tlsProblemOf as problemOf } from '@posthorn/core/adapter'
import type { Clock } from '@posthorn/core/adapter'
import type { Broker } from './brokerUrl.js'
import { settledBy } from './waiting.js'

/** An attempt without TLS at a port that speaks it. */
export class PlainToTlsError extends Error {}

/**
 * What is wrong with the TLS of a connection and what to do next, for people; undefined for errors of another kind. None
 * of these passes by itself.
 */
export function tlsProblemOf(error: unknown): string | undefined {
  if (error instanceof PlainToTlsError) return 'this port speaks TLS. Use amqps://, or the port without TLS (5672)'
  return problemOf(error, { plainPort: 'Use the TLS port (5671 by default), or amqp://', showsCertificate: true })
}

/** amqplib's words for a peer that ended the connection in the handshake. */
const hungUp = /^Socket closed abruptly|ECONNRESET/
const amqpHeader = Buffer.from('AMQP\0\0\x09\x01', 'latin1')
const probeTimeoutMs = 1_000

/** Whether a broker that hung up on a plain handshake did so since its port speaks TLS; asks it once more. */
export async function hungUpForTls(broker: Broker, error: unknown, clock: Clock): Promise<boolean> {
  if (broker.secure || !(error instanceof Error) || !hungUp.test(error.message)) return false
  const { hostname, port } = broker.connect
  const socket = connect({ host: hostname ?? 'localhost', port: port ?? 0 })
  let first = Buffer.alloc(0)
  const answered = new Promise<void>((resolve) => {
    socket.on('error', () => resolve())
    socket.on('close', () => resolve())
    socket.on('data', (chunk: Buffer) => {
      first = Buffer.concat([first, chunk])
      if (first.length >= 2) resolve()
    })
  })
  socket.write(amqpHeader)
  await settledBy(answered, clock.monotonic() + probeTimeoutMs, clock)
  socket.destroy()
  // A TLS record of the type alert, of version 3.
  return first[0] === 0x15 && first[1] === 0x03
}
