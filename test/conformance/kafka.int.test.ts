import { conformanceCases } from '@posthorn/testing'
import { describe, test } from 'vitest'
import { kafkaSetup } from './kafkaSetup.js'

describe('kafka', () => {
  for (const { promise, title, run } of conformanceCases(kafkaSetup('kafkajs'))) {
    test.concurrent(`${promise}: ${title}`, run)
  }
})
