import { codeOf } from '@posthorn/core/adapter'
import type { PosthornError } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { createMemory } from '../src/memory.js'
import type { MemoryOptions } from '../src/memory.js'
import { createMemoryBroker } from '../src/memoryBroker.js'
import type { MemoryBrokerOptions } from '../src/options.js'

function problemsOf(make: () => unknown): string[] {
  try {
    make()
  } catch (error) {
    expect(codeOf(error)).toBe('POSTHORN_CONFIGURATION')
    return (error as PosthornError).details['problems'] as string[]
  }
  return []
}

describe('options', () => {
  it('are all optional', () => {
    expect(problemsOf(() => createMemoryBroker())).toEqual([])
    expect(problemsOf(() => createMemory())).toEqual([])
    expect(problemsOf(() => createMemory({ broker: createMemoryBroker({ partitions: 3 }) }))).toEqual([])
  })

  it('are refused with all problems at once', () => {
    const options = { maxMessages: 0, maxBytes: 1.5, partitions: 0, clock: {}, maxMessage: 3 }
    const problems = problemsOf(() => createMemoryBroker(options as unknown as MemoryBrokerOptions))
    expect(problems.map((problem) => problem.split(' ')[0])).toEqual([
      'options.maxMessages',
      'options.maxBytes',
      'options.partitions',
      'options.clock',
      'options.maxMessage',
    ])
  })

  it('of a broker are refused next to a shared broker, which has its own', () => {
    const broker = createMemoryBroker()
    const problems = problemsOf(() => createMemory({ broker, maxMessages: 5 }))
    expect(problems).toEqual([expect.stringContaining('options.maxMessages belongs to the broker')])
  })

  it('take a broker only from createMemoryBroker', () => {
    const lookalike = { ...createMemory(), queues: () => [] }
    expect(problemsOf(() => createMemory({ broker: lookalike } as unknown as MemoryOptions))).toHaveLength(1)
  })
})
