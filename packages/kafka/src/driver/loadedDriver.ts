import { DriverError } from './driverError.js'
import type { CreateDriver, KafkaDriver } from './driver.js'
import type { DriverCapabilities } from './driverCapabilities.js'

/**
 * A driver whose client is loaded by the first call, which everybody waits for. Where it cannot be loaded, calls reject
 * with what `load` says, and the next one tries again.
 */
export function loadedDriver(capabilities: DriverCapabilities, load: () => Promise<CreateDriver>): CreateDriver {
  return (settings) => {
    let driver: KafkaDriver | undefined
    let loading: Promise<CreateDriver> | undefined
    let isClosed = false

    async function loaded(): Promise<KafkaDriver> {
      if (driver !== undefined) return driver
      loading ??= load().finally(() => (loading = undefined))
      const create = await loading
      if (isClosed) throw closed()
      return (driver ??= create(settings))
    }

    return {
      capabilities,
      connect: async () => (await loaded()).connect(),
      partitionCount: async (topic) => (await loaded()).partitionCount(topic),
      topics: async () => (await loaded()).topics(),
      createTopics: async (topics) => (await loaded()).createTopics(topics),
      describeTopics: async (topics) => (await loaded()).describeTopics(topics),
      deleteTopic: async (topic) => (await loaded()).deleteTopic(topic),
      memberCount: async (groupId) => (await loaded()).memberCount(groupId),
      committed: async (groupId, topic) => (await loaded()).committed(groupId, topic),
      logOffsets: async (topic) => (await loaded()).logOffsets(topic),
      readableEnds: async (topic) => (await loaded()).readableEnds(topic),
      send: async (batch) => (driver ?? (await loaded())).send(batch),
      consumer(options, events) {
        // Whoever consumes has asked for the topic before.
        if (driver === undefined) throw closed()
        return driver.consumer(options, events)
      },
      async close(deadline) {
        isClosed = true
        await driver?.close(deadline)
      },
    }
  }
}

function closed(): DriverError {
  return new DriverError({ kind: 'closed', message: 'The driver is not open', written: 'no' })
}
