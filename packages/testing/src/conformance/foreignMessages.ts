import type { AdoptForeign, Consumer, DeadLetter } from '@posthorn/core'
import type { MessageProbe } from '../probes/messageProbe.js'
import type { Probe } from '../probes/probe.js'
import type { Bench } from './bench.js'
import type { Note } from './messages.js'
import { wireMessage } from './messages.js'

/** A group that was sent foreign messages. */
export interface SentForeign {
  readonly probe: MessageProbe<Note>
  readonly consumer: Consumer
  readonly dead: Probe<DeadLetter>
}

const plain = { body: Buffer.from('{"order":7}'), contentType: 'application/json' }
const text = { body: Buffer.from('hello'), contentType: 'text/plain' }
const tombstone = { body: null, contentType: '' }

/** Sends a JSON document, a text and a tombstone, between two good neighbours; resolves when these are handled. */
export async function sendForeign(bench: Bench, foreign: 'deadLetter' | 'skip' | AdoptForeign): Promise<SentForeign> {
  const probe = bench.seen()
  const starting = bench.deadLetters('billing')
  const { consumer } = await bench.group('billing', { handlers: [probe.handler], foreign })
  const dead = await starting
  const transport = await bench.connected()
  const bodies = [{}, plain, text, tombstone, { data: { n: 2 } }]
  for (const [at, body] of bodies.entries()) {
    await transport.send({ destination: bench.destination }, wireMessage(`${at}`, body), bench.soon())
  }
  await probe.waitForCount(2)
  return { probe, consumer, dead }
}
