import type { DriverSettings, KafkaDriver } from '../driver.js'
import { driverCapabilities } from '../driverCapabilities.js'
import { registerCodecs } from './kafkajsCodecs.js'
import { createKafkajsAdmin } from './kafkajsAdmin.js'
import { createKafkajsConsumer } from './kafkajsConsumer.js'
import { createKafkajsProducer } from './kafkajsProducer.js'

/** The default driver, on kafkajs 2.2: one client for sending, one for questions, one for each consumer. No I/O yet. */
export function createKafkajsDriver(settings: DriverSettings): KafkaDriver {
  registerCodecs()
  const admin = createKafkajsAdmin(settings)
  const producer = createKafkajsProducer(settings)
  return {
    ...admin,
    capabilities: driverCapabilities.kafkajs,
    async connect() {
      await Promise.all([admin.connect(), producer.connect()])
    },
    send: (batch) => producer.send(batch),
    consumer: (options, events) => createKafkajsConsumer(options, events, settings),
    close() {
      producer.end()
      admin.end()
      return Promise.resolve()
    },
  }
}
