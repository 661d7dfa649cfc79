import type { Clock, Logger } from '@posthorn/core/adapter'
import type { DriverSettings } from './driver/driver.js'
import { createLogin } from './login.js'
import type { Settings } from './options.js'

/** What a driver works with. */
export interface DriverSurroundings {
  readonly clock: Clock
  readonly logger: Logger
  /** Nobody waits for a login any more. */
  readonly stop: AbortSignal
}

/** The part of the settings that is the driver's. */
export function driverSettings(settings: Settings, { clock, logger, stop }: DriverSurroundings): DriverSettings {
  const { brokers, clientId, tls, connectTimeoutMs, requestTimeoutMs, compression, fastPath } = settings
  const login = createLogin(settings, { clock, stop })
  return { brokers, clientId, tls, login, connectTimeoutMs, requestTimeoutMs, compression, fastPath, logger, clock }
}
