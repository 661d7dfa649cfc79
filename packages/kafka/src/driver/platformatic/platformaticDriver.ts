import { driverCapabilities } from '../driverCapabilities.js'
import type { DriverSettings, KafkaDriver } from '../driver.js'
import { createPlatformaticAdmin } from './platformaticAdmin.js'
import { createPlatformaticConsumer } from './platformaticConsumer.js'
import { createPlatformaticProducer } from './platformaticProducer.js'

/** The driver on @platformatic/kafka, 1.35 or 2.12 and later: connections for sending, for questions, for each consumer. */
export function createPlatformaticDriver(settings: DriverSettings): KafkaDriver {
  const admin = createPlatformaticAdmin(settings)
  const producer = createPlatformaticProducer(settings)
  return {
    ...admin,
    capabilities: driverCapabilities.platformatic,
    async connect() {
      await Promise.all([admin.connect(), producer.connect()])
    },
    send: (batch) => producer.send(batch),
    consumer: (options, events) => createPlatformaticConsumer(options, events, settings),
    close() {
      producer.end()
      admin.end()
      return Promise.resolve()
    },
  }
}
