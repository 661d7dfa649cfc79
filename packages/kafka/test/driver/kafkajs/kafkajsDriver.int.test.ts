import { describe } from 'vitest'
import { createKafkajsDriver } from '../../../src/driver/kafkajs/kafkajsDriver.js'
import { driverSuite } from '../driverSuite.js'

describe('kafkajs', () => driverSuite(createKafkajsDriver))
