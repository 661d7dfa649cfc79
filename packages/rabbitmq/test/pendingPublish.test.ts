import type { Clock, PublishError, Receipt, Target } from '@posthorn/core/adapter'
import { createDeadlines, systemClock } from '@posthorn/core/adapter'
import { describe, expect, it } from 'vitest'
import { PendingPublish, returnedPublish } from '../src/pendingPublish.js'
import { createTopologyMap } from '../src/topologyMap.js'
import { message } from './broker.js'

const map = createTopologyMap({})

interface Watched {
  readonly pending: PendingPublish
  readonly answer: Promise<Receipt>
}

function publish(target: Target = { destination: 'orders' }, id = 'one', type = 'placed.v1'): Watched {
  let pending!: PendingPublish
  const answer = new Promise<Receipt>((resolve, reject) => {
    pending = new PendingPublish(map.addressOf(target, type), message({ id, type }), { resolve, reject })
  })
  return { pending, answer }
}

const failureOf = (answer: Promise<Receipt>): Promise<PublishError> =>
  answer.then(
    () => expect.unreachable('it should have failed'),
    (error: PublishError) => error,
  )

describe('a pending publish', () => {
  it('resolves with routed, and with unrouted after a return', async () => {
    const routed = publish()
    routed.pending.beginWrite()
    routed.pending.confirm()
    expect(await routed.answer).toEqual({ routed: true })
    const unrouted = publish()
    unrouted.pending.beginWrite()
    unrouted.pending.returned = true
    unrouted.pending.confirm()
    expect(await unrouted.answer).toEqual({ routed: false })
  })

  it('forgets a return when it is written again', async () => {
    const { pending, answer } = publish()
    pending.beginWrite()
    pending.returned = true
    pending.beginWrite()
    pending.confirm()
    expect(await answer).toEqual({ routed: true })
  })

  it('that is returned the second time may have been taken the first time', async () => {
    const written = (mustRoute: boolean, target?: Target): Watched => {
      const watched = publish(target)
      watched.pending.watch({ deadline: Infinity, mustRoute }, createDeadlines(systemClock), () => {})
      watched.pending.beginWrite()
      watched.pending.beginWrite()
      watched.pending.returned = true
      watched.pending.confirm()
      return watched
    }
    const refused = await failureOf(written(true).answer)
    expect(refused).toMatchObject({ code: 'POSTHORN_PUBLISH_UNROUTED', outcome: 'unknown' })
    expect(await written(false).answer).toEqual({ routed: undefined })
    const copy = written(false, { dead: { destination: 'orders', group: 'billing' } })
    expect(await copy.answer).toEqual({ routed: false })
  })

  it.each([
    ['never written', (): void => {}, false, 'notSent'],
    ['written', (one: PendingPublish): void => one.beginWrite(), false, 'unknown'],
    ['written in vain', (one: PendingPublish): void => (one.beginWrite(), one.undoWrite()), false, 'notSent'],
    ['written and surely refused', (one: PendingPublish): void => one.beginWrite(), true, 'notSent'],
    [
      'written twice, the last time surely refused',
      (one: PendingPublish): void => (one.beginWrite(), one.beginWrite()),
      true,
      'unknown',
    ],
  ])('%s has the right outcome', async (_when, prepare, refusedBeforeRouting, outcome) => {
    const { pending, answer } = publish()
    prepare(pending)
    pending.fail({ code: 'POSTHORN_PUBLISH_CONNECTION_LOST', what: 'was lost', refusedBeforeRouting })
    expect(await failureOf(answer)).toMatchObject({ outcome, code: 'POSTHORN_PUBLISH_CONNECTION_LOST' })
  })

  it('settles once and lets go of its message', async () => {
    const { pending, answer } = publish()
    expect(pending.message).toBeDefined()
    pending.fail({ code: 'POSTHORN_PUBLISH_REFUSED', what: 'was refused' })
    pending.confirm()
    expect(pending.message).toBeUndefined()
    expect((await failureOf(answer)).code).toBe('POSTHORN_PUBLISH_REFUSED')
  })

  it('is rejected at its deadline and leaves the queue', async () => {
    const { pending, answer } = publish()
    let gone = 0
    const deadlines = createDeadlines(systemClock)
    pending.watch({ deadline: systemClock.monotonic() + 20 }, deadlines, () => (gone += 1))
    expect(await failureOf(answer)).toMatchObject({ code: 'POSTHORN_PUBLISH_DEADLINE', outcome: 'notSent' })
    expect(gone).toBe(1)
  })

  it('leaves neither a deadline nor a listener behind', () => {
    const abort = new AbortController()
    const due: (() => void)[] = []
    const clock: Clock = { ...systemClock, schedule: (_ms, action) => (due.push(action), { cancel: () => {} }) }
    const { pending, answer } = publish()
    let gone = 0
    pending.watch({ deadline: 0, signal: abort.signal }, createDeadlines(clock), () => (gone += 1))
    pending.beginWrite()
    pending.confirm()
    abort.abort()
    for (const action of due) action()
    expect(gone).toBe(0)
    return expect(answer).resolves.toEqual({ routed: true })
  })
})

describe('a return', () => {
  const group = { destination: 'orders', group: 'billing' }

  it('belongs to the publish with its id, exchange and routing key, the oldest of equal ones', () => {
    const list = [
      publish({ retry: { ...group, delayMs: 5 } }).pending,
      publish({ dead: group }).pending,
      publish({ dead: group }).pending,
      publish({ destination: 'orders' }).pending,
    ]
    const returned = (routingKey: string, id = 'one', exchange = ''): number =>
      list.indexOf(returnedPublish(list, { exchange, routingKey, id }) as PendingPublish)
    expect(returned('orders.billing.dead')).toBe(1)
    ;(list[1] as PendingPublish).returned = true
    expect(returned('orders.billing.dead')).toBe(2)
    expect(returned('orders.billing.retry.5')).toBe(0)
    expect(returned('placed.v1', 'one', 'orders')).toBe(3)
    expect(returned('placed.v1', 'two', 'orders')).toBe(-1)
    expect(returned('placed.v1', 'one', 'users')).toBe(-1)
  })
})
