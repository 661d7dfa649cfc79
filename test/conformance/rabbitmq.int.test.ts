import { conformanceCases } from '@posthorn/testing'
import { describe, test } from 'vitest'
import { rabbitMqSetup } from './rabbitMqSetup.js'

const setup = await rabbitMqSetup()

describe('rabbitmq', () => {
  for (const { promise, title, run } of conformanceCases(setup)) {
    test.concurrent(`${promise}: ${title}`, run)
  }
})
