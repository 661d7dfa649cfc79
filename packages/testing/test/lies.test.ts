import { describe, expect, it } from 'vitest'
import { conformanceCases } from '../src/conformance/conformanceCases.js'
import type { ConformanceSetup } from '../src/conformance/conformanceSetup.js'
import { allLies, lyingTransport } from '../src/lies/lyingTransport.js'
import type { Lie } from '../src/lies/lyingTransport.js'
import { memorySetup } from './memorySetup.js'

/** Which promise of the suite notices each lie: at least one of its cases fails. */
const noticedBy: Readonly<Record<Lie, string>> = {
  lostMessage: 'confirmedPublish',
  lostRetry: 'retryLadder',
  droppedDeadLetter: 'invalidArrivals',
  unconfirmedPublish: 'publishEnds',
  endlessSend: 'publishEnds',
  routedAlwaysTrue: 'routed',
  earlyRetry: 'retryLadder',
  bodyChanged: 'deadLetterFacts',
  headersDropped: 'wireModes',
  sentTwice: 'groups',
  broadcastRetry: 'groupRetries',
  earlyAck: 'redelivery',
  forgottenRelease: 'redelivery',
  forgottenComplete: 'completedOnce',
  duplicateDelivery: 'groups',
  duplicateSettle: 'settling',
  reorderedKey: 'sendOrder',
  orderIgnored: 'orderAcrossServices',
  unboundedInFlight: 'boundedCount',
  inventedCrashes: 'crashCounting',
  silentLoss: 'redelivery',
  mergedGroups: 'groups',
  splitGroup: 'competingServices',
  deafStop: 'settling',
  endlessClose: 'serviceLife',
  endlessConnect: 'unreachable',
  pretendedConnect: 'unreachable',
  wrongCapabilities: 'transportLife',
}

/** Lies that are told now and then only. */
const rareLies: readonly (readonly [Lie, number, string])[] = [
  ['lostMessage', 10, 'confirmedPublish'],
  ['droppedDeadLetter', 5, 'invalidArrivals'],
  ['duplicateDelivery', 10, 'drain'],
  ['reorderedKey', 10, 'sendOrder'],
  ['forgottenComplete', 5, 'completedOnce'],
]

const witnesses = [...new Set([...Object.values(noticedBy), ...rareLies.map(([, , promise]) => promise)])]

/** A case that fails takes so long. */
const impatient = { waitMs: 700, caseMs: 1_500 }

/** The titles of the cases that failed. */
async function failures(of: ConformanceSetup, promise: string): Promise<string[]> {
  const cases = conformanceCases(of).filter((one) => one.promise === promise)
  expect(cases, `no case of ${promise}`).not.toHaveLength(0)
  const failed: string[] = []
  const attempt = ({ title, run }: (typeof cases)[number]): Promise<void> => run().catch(() => void failed.push(title))
  await Promise.all(cases.map(attempt))
  return failed
}

describe('the conformance suite on an adapter that lies', () => {
  it.concurrent.each(Object.entries(noticedBy) as [Lie, string][])('notices %s by %s', async (lie, promise) => {
    const lying = memorySetup((transport) => lyingTransport(transport, lie), impatient)
    expect(await failures(lying, promise)).not.toEqual([])
  })

  it.concurrent.each(rareLies)('notices %s at every %ith occasion by %s', async (lie, every, promise) => {
    const lying = memorySetup((transport) => lyingTransport(transport, lie, { every }), impatient)
    expect(await failures(lying, promise)).not.toEqual([])
  })

  it.concurrent.each(witnesses)('finds nothing wrong in %s without a lie', async (promise) => {
    const honest = memorySetup((transport) => transport, { waitMs: 10_000 })
    expect(await failures(honest, promise)).toEqual([])
  })

  it('knows every lie', () => {
    expect(Object.keys(noticedBy).sort()).toEqual([...allLies].sort())
  })
})
