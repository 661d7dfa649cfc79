import { describe } from 'vitest'
import { createKafkajsDriver } from '../../../src/driver/kafkajs/kafkajsDriver.js'
import { driverFaultSuite } from '../driverFaultSuite.js'

describe('kafkajs', () => driverFaultSuite(createKafkajsDriver))
