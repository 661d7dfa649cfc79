import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Logger as PinoLogger } from 'pino'
import { createDefaultLogger, guardLogger, silentLogger } from '../src/logger.js'
import type { Logger } from '../src/logger.js'
import { createRecordingLogger } from './fixtures.js'

const levels = ['debug', 'info', 'warn', 'error'] as const

describe('the default logger', () => {
  afterEach(() => vi.unstubAllEnvs())
  const levelWith = (value: string | undefined): string => {
    vi.stubEnv('LOG_LEVEL', value)
    return (createDefaultLogger() as unknown as PinoLogger).level
  }

  it('takes its level from LOG_LEVEL', () => {
    for (const level of ['trace', 'debug', 'warn', 'error', 'fatal', 'silent']) expect(levelWith(level)).toBe(level)
  })

  it('starts all the same with a LOG_LEVEL that is nonsense', () => {
    for (const value of [undefined, '', 'verbose', 'INFO', ' info', '30', 'toString', '__proto__', 'hasOwnProperty']) {
      expect(levelWith(value)).toBe('info')
    }
  })
})

describe('a guarded logger', () => {
  it('hands everything through, in order, with the logger as this', () => {
    const seen: unknown[] = []
    class Own {
      name = 'own'
      debug(facts: object, message: string): void {
        seen.push([this.name, 'debug', facts, message])
      }
      info(facts: object, message: string): void {
        seen.push([this.name, 'info', facts, message])
      }
      warn(facts: object, message: string): void {
        seen.push([this.name, 'warn', facts, message])
      }
      error(facts: object, message: string): void {
        seen.push([this.name, 'error', facts, message])
      }
      child(): Logger {
        return new Own()
      }
    }
    const logger = guardLogger(new Own())
    for (const level of levels) logger[level]({ level }, 'said')
    logger.child({ more: 1 }).warn({ a: 1 }, 'by a child')
    const said = levels.map((level) => ['own', level, { level }, 'said'])
    expect(seen).toEqual([...said, ['own', 'warn', { a: 1 }, 'by a child']])
  })

  it('never throws, whatever the logger does', () => {
    const broken = (): never => {
      throw new Error('disk full')
    }
    const makers: (() => unknown)[] = [
      () => ({ debug: broken, info: broken, warn: broken, error: broken, child: broken }),
      () => ({}),
      () => ({ child: () => undefined }),
      () => ({
        ...createRecordingLogger(),
        child: () => ({ debug: broken, info: broken, warn: broken, error: broken }),
      }),
    ]
    for (const make of makers) {
      const logger = guardLogger(make() as Logger)
      for (const level of levels) logger[level]({}, 'x')
      const child = logger.child({}).child({})
      for (const level of levels) child[level]({}, 'x')
    }
  })

  it('gives its children’s facts to the logger’s own child', () => {
    const facts: unknown[] = []
    const logger: Logger = { ...createRecordingLogger(), child: (given) => (facts.push(given), logger) }
    guardLogger(logger).child({ group: 'a' }).child({ attempt: 2 })
    expect(facts).toEqual([{ group: 'a' }, { attempt: 2 }])
  })
})

it('the silent logger is silent in all generations', () => {
  expect(silentLogger.child({}).child({})).toBe(silentLogger)
  for (const level of levels) expect(silentLogger[level]({}, 'x')).toBeUndefined()
})
