import { conformanceCases } from '@posthorn/testing'
import { describe, test } from 'vitest'
import { kafkaSetup } from './kafkaSetup.js'

describe('kafka on @platformatic/kafka', () => {
  for (const { promise, title, run } of conformanceCases(kafkaSetup('platformatic'))) {
    test.concurrent(`${promise}: ${title}`, run)
  }
})
