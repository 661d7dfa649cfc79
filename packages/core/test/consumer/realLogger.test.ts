import { Writable } from 'node:stream'
import { pino } from 'pino'
import { expect, it } from 'vitest'
import { on } from '../../src/index.js'
import type { Logger } from '../../src/index.js'
import { orderPlaced, startConsumer } from '../fixtures.js'

// pino is the default logger. Its error serializer reads what it is given, so a hostile error reaches it too (G5).
const throwing = (): Error =>
  Object.defineProperty(new Error('x'), 'message', {
    get: () => {
      throw new Error('hands off')
    },
  })

function pinoInto(lines: string[]): Logger {
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  return pino({ level: 'debug' }, stream)
}

it('settles a message whose error pino cannot serialize: one dead letter, no release', async () => {
  const { transport, order, clock } = await startConsumer(
    {
      handlers: [
        on(orderPlaced, () => {
          throw throwing()
        }),
      ],
      retry: { delaysMs: [] },
    },
    { logger: pinoInto([]) },
  )
  const delivery = order('o-1')
  await clock.advance(60_000)
  expect(transport.sentTo('dead')).toHaveLength(1)
  expect(delivery.ends).toEqual(['complete'])
})

it('settles every message when the logger itself throws', async () => {
  const broken = (): never => {
    throw new Error('disk full')
  }
  const logger: Logger = { debug: broken, info: broken, warn: broken, error: broken, child: () => logger }
  const { transport, order, clock } = await startConsumer(
    {
      handlers: [
        on(orderPlaced, () => {
          throw new Error('no')
        }),
      ],
      retry: { delaysMs: [] },
    },
    { logger },
  )
  const delivery = order('o-1')
  await clock.advance(60_000)
  expect(transport.sentTo('dead')).toHaveLength(1)
  expect(delivery.ends).toEqual(['complete'])
})

it('writes no data of a message that is dead-lettered', async () => {
  const lines: string[] = []
  const { order, clock } = await startConsumer(
    {
      handlers: [
        on(orderPlaced, () => {
          throw new Error('no')
        }),
      ],
      retry: { delaysMs: [] },
    },
    { logger: pinoInto(lines) },
  )
  order('secret-4711', { id: 'm-1' })
  await clock.advance(1_000)
  expect(lines.join('')).toContain('message.deadLettered')
  expect(lines.join('')).not.toContain('secret-4711')
})
