import { conformanceCases } from '@posthorn/testing'
import { describe, test } from 'vitest'
import { memorySetup } from './memorySetup.js'

describe('memory', () => {
  for (const { promise, title, run } of conformanceCases(memorySetup())) {
    test.concurrent(`${promise}: ${title}`, run)
  }
})
