import { conformanceCases } from '@posthorn/testing'
import { describe, test } from 'vitest'
import { rabbitMqSetup } from './rabbitMqSetup.js'

describe('rabbitmq', () => {
  for (const { promise, title, run } of conformanceCases(rabbitMqSetup())) {
    test.concurrent(`${promise}: ${title}`, run)
  }
})
