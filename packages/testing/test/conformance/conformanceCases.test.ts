import type { Transport } from '@posthorn/core/adapter'
import { describe, expect, it, test } from 'vitest'
import { conformanceCases, promises } from '../../src/conformance/conformanceCases.js'
import type { ConformanceSetup } from '../../src/conformance/conformanceSetup.js'
import { memorySetup } from '../memorySetup.js'

const poor = { routed: false, ordered: false, countsRedeliveries: false, maxHoldMs: 1_000 }

/** Memory as a transport with as few capabilities as there can be. */
function poorSetup(): ConformanceSetup {
  const decorate = (transport: Transport): Transport => ({
    ...transport,
    capabilities: { ...transport.capabilities, ...poor },
    async send(target, message, options) {
      await transport.send(target, message, options)
      return { routed: undefined }
    },
  })
  const setup = memorySetup(decorate, { waitMs: 10_000 })
  return { ...setup, capabilities: { ...setup.capabilities, ...poor } }
}

describe('the conformance suite on a transport that lacks every capability', () => {
  for (const { promise, title, run } of conformanceCases(poorSetup())) test.concurrent(`${promise}: ${title}`, run)
})

describe('conformanceCases', () => {
  it('gives every case a title of its own, and every promise at least one case on every transport', () => {
    for (const setup of [poorSetup(), memorySetup((transport) => transport, {})]) {
      const cases = conformanceCases(setup)
      expect(new Set(cases.map(({ title }) => title)).size).toBe(cases.length)
    }
    const names = promises.map(({ promise }) => promise)
    expect(new Set(names).size).toBe(names.length)
  })

  it('asserts for every capability that a case needs that a transport without it refuses', () => {
    const definitions = promises.flatMap(({ cases }) => cases)
    const needed = new Set(definitions.flatMap(({ needs }) => needs ?? []))
    const refused = new Set(definitions.flatMap(({ lacks }) => lacks ?? []))
    expect(refused).toEqual(needed)
  })

  it('gives up on a case that never settles', async () => {
    const decorate = (transport: Transport): Transport => ({
      ...transport,
      connect: () => new Promise(() => {}),
    })
    const setup = memorySetup(decorate, { caseMs: 20, stopMs: 1 })
    const [stuck] = conformanceCases(setup).filter(({ promise }) => promise === 'transportLife')
    await expect(stuck?.run()).rejects.toThrow('did not settle within 20 ms')
  })
})
