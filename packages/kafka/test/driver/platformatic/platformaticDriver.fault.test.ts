import { describe } from 'vitest'
import { createPlatformaticDriver } from '../../../src/driver/platformatic/platformaticDriver.js'
import { driverFaultSuite } from '../driverFaultSuite.js'

describe('platformatic', () => driverFaultSuite(createPlatformaticDriver))
