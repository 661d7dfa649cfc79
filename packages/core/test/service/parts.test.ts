import { describe, expect, it } from 'vitest'
import { on, OutboxError } from '../../src/index.js'
import type { PartHealth, ServicePart } from '../../src/index.js'
import type { PartSurroundings } from '../../src/adapter.js'
import { createGate, never } from '../fakeTransport.js'
import { messageOf, orderPlaced } from '../fixtures.js'
import { isSettled, rejection, rejectionCode, thrown, thrownCode } from '../rejections.js'
import { createBench, handlers, unreachable } from '../serviceBench.js'

/** A part that writes down what happens to it. */
class RecordingPart implements ServicePart {
  readonly name: string
  readonly log: string[]
  told: PartHealth = { ready: true, live: true, reasons: [] }
  surroundings: PartSurroundings | undefined
  onStart: () => Promise<void> = async () => {}
  onStop: (deadline: number) => Promise<void> = async () => {}

  constructor(name: string, log: string[]) {
    this.name = name
    this.log = log
  }

  async start(surroundings: PartSurroundings): Promise<void> {
    this.surroundings = surroundings
    this.log.push(`start ${this.name}`)
    await this.onStart()
  }

  async stop(deadline: number): Promise<void> {
    this.log.push(`stop ${this.name}`)
    await this.onStop(deadline)
  }

  health(): PartHealth {
    return this.told
  }
}

const noDatabase = (): OutboxError => new OutboxError({ code: 'POSTHORN_OUTBOX_UNAVAILABLE', message: 'no database' })

describe('a part of a service', () => {
  it('starts when the transport is connected, before or after the consumers as it says, and stops after them', async () => {
    const { service, transport } = createBench()
    const { log } = transport
    transport.onConnect = async () => void log.push('connect')
    transport.onSubscribe = async () => void log.push('subscribe')
    service.attach(new RecordingPart('relay', log))
    service.attach(Object.assign(new RecordingPart('inbox', log), { startsBeforeConsumers: true }))
    service.consume('billing', handlers)
    await service.start()
    await service.stop()
    expect(log.slice(0, 4)).toEqual(['connect', 'start inbox', 'subscribe', 'start relay'])
    expect(log.slice(4, 5)).toEqual(['stop orders.billing'])
    expect(log.slice(5, 7).toSorted()).toEqual(['stop inbox', 'stop relay'])
    expect(log.slice(7)).toEqual(['close'])
  })

  it('gets the transport, a clock and a logger, and is given back by attach', async () => {
    const { service, transport, clock } = createBench()
    const part = service.attach(new RecordingPart('relay', []))
    await service.start()
    expect(part.surroundings).toMatchObject({ transport, clock })
    expect(part.surroundings?.logger.info).toBeTypeOf('function')
    await service.stop()
  })

  it('is not stopped while a handler still works', async () => {
    const { service, transport, clock } = createBench()
    const gate = createGate()
    const log: string[] = []
    service.attach(new RecordingPart('relay', log))
    service.consume('billing', { handlers: [on(orderPlaced, () => gate.promise)] })
    await service.start()
    const delivery = transport.deliver(messageOf(orderPlaced, { orderId: 'o-1' }))
    await clock.advance(0)
    const stopped = service.stop()
    await clock.advance(1_000)
    expect(log).toEqual(['start relay'])
    gate.open()
    await stopped
    expect(log).toEqual(['start relay', 'stop relay'])
    expect(delivery.ends).toEqual(['complete'])
  })

  it('has time left to let go where a handler uses up its own', async () => {
    const { service, transport, clock } = createBench()
    const part = service.attach(new RecordingPart('relay', []))
    let leftMs = 0
    part.onStop = async (deadline) => void (leftMs = deadline - clock.monotonic())
    service.consume('billing', { handlers: [on(orderPlaced, () => never())] })
    await service.start()
    transport.deliver(messageOf(orderPlaced, { orderId: 'o-1' }))
    await clock.advance(0)
    const stopped = service.stop({ deadlineMs: 10_000 })
    await clock.advance(10_000)
    await stopped
    expect(leftMs).toBeCloseTo(2_000)
  })

  it('decides over readiness and shows in the health', async () => {
    const { service } = createBench()
    const part = service.attach(new RecordingPart('relay', []))
    await service.start()
    expect(service.health()).toMatchObject({ ready: true, parts: { relay: { ready: true } } })
    const reason = { code: 'own', where: 'part relay', what: 'no lease', next: 'wait' }
    part.told = { ready: false, live: true, reasons: [reason] }
    expect(service.health()).toMatchObject({ ready: false, live: true, reasons: [reason], parts: { relay: part.told } })
    part.health = () => {
      throw new Error('broken')
    }
    expect(service.health()).toMatchObject({ ready: false, live: true, reasons: [{ code: 'healthFailed' }] })
    await service.stop()
  })
})

describe('a part that cannot start', () => {
  it('fails the start with its own error, and everything is stopped again', async () => {
    const { service, transport } = createBench()
    const log: string[] = []
    const part = service.attach(new RecordingPart('relay', log))
    service.attach(new RecordingPart('other', log))
    const error = new OutboxError({ code: 'POSTHORN_OUTBOX_SCHEMA', message: 'no tables' })
    part.onStart = () => Promise.reject(error)
    service.consume('billing', handlers)
    expect(await rejection(service.start({ ifUnavailable: 'wait' }))).toBe(error)
    expect(log.toSorted()).toEqual(['start other', 'start relay', 'stop other', 'stop relay'])
    expect(transport.closed).toBe(1)
  })

  it('is tried again with ifUnavailable wait while its database is not there, and not with fail', async () => {
    for (const error of [noDatabase(), unreachable()]) {
      const { service, clock } = createBench()
      const part = service.attach(new RecordingPart('relay', []))
      let failures = 3
      part.onStart = async () => {
        if (failures-- > 0) throw error
      }
      const started = service.start({ ifUnavailable: 'wait' })
      await clock.advance(60_000)
      await started
      expect(failures).toBe(-1)
      await service.stop()
    }
    const { service } = createBench()
    service.attach(new RecordingPart('relay', [])).onStart = () => Promise.reject(noDatabase())
    expect(await rejectionCode(service.start())).toBe('POSTHORN_OUTBOX_UNAVAILABLE')
  })

  it('and never answers ends the start with a code at the deadline', async () => {
    const { service, clock } = createBench()
    service.attach(new RecordingPart('relay', [])).onStart = () => never()
    const code = rejectionCode(service.start({ deadlineMs: 1_000 }))
    await clock.advance(20_000)
    expect(await code).toBe('POSTHORN_START_TIMEOUT')
  })
})

it('a start that is stopped meanwhile does not wait for a part that does not look at its signal', async () => {
  const { service, clock } = createBench()
  service.attach(new RecordingPart('relay', [])).onStart = () => never()
  const code = rejectionCode(service.start())
  await clock.advance(0)
  const stopped = service.stop({ deadlineMs: 1_000 })
  expect(await code).toBe('POSTHORN_STOPPED')
  await clock.advance(1_000)
  await stopped
})

describe('a part that cannot stop', () => {
  it('does not keep the service from stopping by its deadline, nor the other parts from letting go', async () => {
    const { service, transport, clock } = createBench()
    const log: string[] = []
    service.attach(new RecordingPart('hangs', log)).onStop = () => never()
    service.attach(new RecordingPart('throws', log)).onStop = () => Promise.reject(new Error('broken'))
    await service.start()
    const stopped = service.stop({ deadlineMs: 1_000 })
    await clock.advance(1_000)
    expect(await isSettled(stopped)).toBe(true)
    expect(log.slice(2).toSorted()).toEqual(['stop hangs', 'stop throws'])
    expect(transport.closed).toBe(1)
  })
})

describe('attach', () => {
  it('refuses what is no part, a second part of one name, and a service that has started', async () => {
    const { service } = createBench()
    const problems = thrown(() => service.attach({ name: '', start: 1 } as never)) as {
      details: { problems: string[] }
    }
    expect(problems.details.problems).toHaveLength(4)
    expect(thrownCode(() => service.attach(undefined as never))).toBe('POSTHORN_CONFIGURATION')
    service.attach(new RecordingPart('relay', []))
    expect(thrownCode(() => service.attach(new RecordingPart('relay', [])))).toBe('POSTHORN_CONFIGURATION')
    await service.start()
    expect(thrownCode(() => service.attach(new RecordingPart('late', [])))).toBe('POSTHORN_ALREADY_STARTED')
    await service.stop()
  })
})
