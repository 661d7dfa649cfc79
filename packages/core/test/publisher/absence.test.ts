import { createMemory, createMemoryBroker, createVirtualClock } from '@posthorn/memory'
import { expect, it } from 'vitest'
import { createService, silentLogger } from '../../src/index.js'
import { orderPlaced } from '../fixtures.js'
import { rejection } from '../rejections.js'

it('names the address, the state and the next step when the broker is away until the deadline', async () => {
  const clock = createVirtualClock()
  const broker = createMemoryBroker({ clock })
  const service = createService({ source: '/test', transport: createMemory({ broker }), clock, logger: silentLogger })
  await service.start()
  broker.down()
  const failed = rejection(service.publish(orderPlaced, { orderId: 'o-1' }, { deadlineMs: 2_000 }))
  await clock.advance(2_000)
  expect(await failed).toMatchObject({
    code: 'POSTHORN_PUBLISH_DEADLINE',
    outcome: 'notSent',
    details: { addresses: ['memory'], state: 'connecting' },
    cause: { code: 'POSTHORN_PUBLISH_DEADLINE' },
  })
  expect(((await failed) as Error).message).toMatch(/memory is connecting .*publish again with the same id/)
  await service.stop()
})
