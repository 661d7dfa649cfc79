import { ConfigurationError } from '@posthorn/core/adapter'
import type { CreateDriver } from './driver.js'
import { driverCapabilities } from './driverCapabilities.js'
import type { DriverName } from './driverCapabilities.js'
import { createKafkajsDriver } from './kafkajs/kafkajsDriver.js'
import { loadedDriver } from './loadedDriver.js'

/**
 * The driver of this name. A client that is no dependency of ours is loaded by the first call; when it is not installed,
 * that rejects with a `ConfigurationError` that says what to do.
 */
export function chooseDriver(name: DriverName): CreateDriver {
  if (name === 'kafkajs') return createKafkajsDriver
  return loadedDriver(driverCapabilities.platformatic, loadPlatformatic)
}

async function loadPlatformatic(): Promise<CreateDriver> {
  try {
    const { createPlatformaticDriver } = await import('./platformatic/platformaticDriver.js')
    return createPlatformaticDriver
  } catch (error) {
    if (!isMissing(error)) throw error
    throw new ConfigurationError('createKafka', [
      "driver 'platformatic' needs the package @platformatic/kafka, which is not installed: " +
        'npm install @platformatic/kafka (1.x on Node.js 20, 2.x from Node.js 22.22 on)',
    ])
  }
}

function isMissing(error: unknown): boolean {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown }
  return code === 'ERR_MODULE_NOT_FOUND' && String(message).includes('@platformatic/kafka')
}
