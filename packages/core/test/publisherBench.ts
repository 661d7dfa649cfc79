import { PublishError } from '../src/index.js'
import type { Capabilities } from '../src/ports.js'
import { makePublisher } from '../src/publisher/publisher.js'
import type { Publisher } from '../src/publisher/publisher.js'
import type { PublisherSettings } from '../src/publisher/publisherOptions.js'
import { createFakeTransport } from './fakeTransport.js'
import { createTestKit } from './fixtures.js'
import type { TestKit } from './fixtures.js'

export function createBench(
  settings: PublisherSettings = {},
  capabilities?: Partial<Capabilities>,
): TestKit & { publisher: Publisher } {
  const testKit = createTestKit(capabilities === undefined ? {} : { transport: createFakeTransport(capabilities) })
  const transport = testKit.kit.transport as TestKit['transport']
  return { ...testKit, transport, publisher: makePublisher(testKit.kit, settings) }
}

export const refusal = (): PublishError =>
  new PublishError({ code: 'POSTHORN_PUBLISH_REFUSED', outcome: 'notSent', message: 'full' })
