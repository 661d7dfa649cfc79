import { describe, expect, it } from 'vitest'
import { judge } from '../src/channelFailure.js'
import type { Verdict } from '../src/channelFailure.js'
import { PendingPublish } from '../src/pendingPublish.js'
import { createTopologyMap } from '../src/topologyMap.js'
import { message } from './broker.js'

const map = createTopologyMap({})

function written(destination: string, bytes = 1, type = 'a.v1'): PendingPublish {
  const caller = { resolve: () => {}, reject: () => {} }
  const pending = new PendingPublish(
    map.addressOf({ destination }, type),
    message({ body: Buffer.alloc(bytes) }),
    caller,
  )
  pending.beginWrite()
  return pending
}

const closedWith = (code: number, text = ''): Error => Object.assign(new Error(text), { code })
const nothingMissing = (): Promise<ReadonlySet<string>> => Promise.resolve(new Set())

function culprits({ culprits: blamed }: Verdict, of: readonly PendingPublish[]): (string | undefined)[] {
  return of.map((pending) => blamed.get(pending)?.code)
}

describe('judging what a closed channel held', () => {
  it('blames the publish to the missing exchange, and for certain when it is the only one', async () => {
    const inFlight = [written('orders'), written('missing'), written('orders')]
    const asked: string[][] = []
    const verdict = await judge(inFlight, closedWith(404), (exchanges) => {
      asked.push([...exchanges])
      return Promise.resolve(new Set(['missing']))
    })
    expect(asked).toEqual([['orders', 'missing']])
    expect(culprits(verdict, inFlight)).toEqual([undefined, 'POSTHORN_PUBLISH_NO_DESTINATION', undefined])
    expect(verdict.culprits.get(inFlight[1] as PendingPublish)).toMatchObject({ refusedBeforeRouting: true })
    expect(verdict.innocents).toEqual([inFlight[0], inFlight[2]])
  })

  it('is not certain of several to the missing exchange, also when one of them was given up before', async () => {
    const inFlight = [written('missing'), written('missing')]
    inFlight[0]?.fail({ code: 'POSTHORN_PUBLISH_ABORTED', what: 'was given up' })
    const verdict = await judge(inFlight, closedWith(404), () => Promise.resolve(new Set(['missing'])))
    expect(verdict.culprits.size).toBe(1)
    expect(verdict.culprits.get(inFlight[1] as PendingPublish)).toMatchObject({ refusedBeforeRouting: false })
  })

  it('publishes all again when the exchange is there by now', async () => {
    const inFlight = [written('orders'), written('users')]
    expect(await judge(inFlight, closedWith(404), nothingMissing)).toMatchObject({ innocents: inFlight })
  })

  it('does not publish again what was given up meanwhile', async () => {
    const inFlight = [written('orders'), written('orders')]
    const verdict = await judge(inFlight, closedWith(404), () => {
      inFlight[0]?.fail({ code: 'POSTHORN_PUBLISH_DEADLINE', what: 'was late' })
      return Promise.resolve(new Set<string>())
    })
    expect(verdict.innocents).toEqual([inFlight[1]])
  })

  it('blames only the routing keys that a topic permission forbids', async () => {
    const inFlight = [written('orders'), written('orders', 1, 'secret.v1'), written('users', 1, 'secret.v1')]
    const text =
      "ACCESS_REFUSED - write access to topic 'secret.v1' in exchange 'orders' in vhost '/' refused for user 'u'"
    const verdict = await judge(inFlight, closedWith(403, text), nothingMissing)
    expect(culprits(verdict, inFlight)).toEqual([undefined, 'POSTHORN_PUBLISH_FAILED', undefined])
    expect(verdict.culprits.get(inFlight[1] as PendingPublish)?.what).toContain('"secret.v1"')
    expect(verdict.innocents).toEqual([inFlight[0], inFlight[2]])
  })

  it('blames the one that is larger than the broker takes', async () => {
    const inFlight = [written('orders', 10), written('orders', 2_000), written('orders', 1_000)]
    const text = 'PRECONDITION_FAILED - message size 2000 is larger than configured max size 1000'
    const verdict = await judge(inFlight, closedWith(406, text), nothingMissing)
    expect(culprits(verdict, inFlight)).toEqual([undefined, 'POSTHORN_PUBLISH_TOO_LARGE', undefined])
  })

  it('blames those to the exchange that the user may not write to', async () => {
    const inFlight = [written('orders'), written('secret')]
    const text = "ACCESS_REFUSED - write access to exchange 'secret' in vhost '/' refused for user 'u'"
    const verdict = await judge(inFlight, closedWith(403, text), nothingMissing)
    expect(culprits(verdict, inFlight)).toEqual([undefined, 'POSTHORN_PUBLISH_FAILED'])
  })

  it.each([
    ['an unknown code', closedWith(541, 'INTERNAL_ERROR')],
    ['a 406 of another kind', closedWith(406, 'PRECONDITION_FAILED - something else')],
    ['no code', new Error('closed')],
  ])('publishes nothing again after %s: the culprit would take the next channel down too', async (_what, error) => {
    const inFlight = [written('orders'), written('users')]
    const verdict = await judge(inFlight, error, nothingMissing)
    expect(verdict.innocents).toEqual([])
    expect(culprits(verdict, inFlight)).toEqual(inFlight.map(() => 'POSTHORN_PUBLISH_CONNECTION_LOST'))
  })
})
