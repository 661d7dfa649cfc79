import { healthFrom, healthReason } from '../health.js'
import type { Health, HealthReason } from '../health.js'
import type { Transport } from '../ports.js'
import type { PipelineFacts, PipelineHealth } from './pipeline.js'
import { noCounts } from './settlement.js'

/** What a consumer tells of itself; counts are since the start. */
export interface ConsumerHealth extends PipelineHealth, Health {
  readonly group: string
  /** `running` once every subscription of the group receives. */
  readonly state: 'idle' | 'starting' | 'running' | 'paused' | 'draining' | 'stopped'
}

interface Facts {
  readonly group: string
  readonly state: ConsumerHealth['state']
  readonly pipeline: PipelineFacts | undefined
  readonly transport: Transport
}

/** Ready while it runs on a transport that is ready, and moves. */
export function consumerHealth({ group, state, pipeline, transport }: Facts): ConsumerHealth {
  const { standsStill, ...counts } = pipeline ?? nothing
  const reasons = [...ownReasons({ group, state, standsStill, running: counts.running })]
  // One that has stopped, or never began, waits for no broker.
  if (state !== 'idle' && state !== 'stopped') reasons.push(...transport.health().reasons)
  return { group, state, ...healthFrom(reasons), ...counts }
}

function* ownReasons(of: {
  readonly group: string
  readonly state: ConsumerHealth['state']
  readonly standsStill: boolean
  readonly running: number
}): Iterable<HealthReason> {
  const where = `group ${of.group}`
  if (of.state !== 'running') yield healthReason({ where, ...stateReasons[of.state] })
  if (!of.standsStill) return
  const what = `${of.running} handler calls are past handlerTimeoutMs, and none ended within livenessTimeoutMs`
  yield healthReason({ code: 'noProgress', where, what })
}

const stateReasons = {
  idle: { code: 'notStarted', what: 'It has not started' },
  starting: { code: 'starting', what: 'It subscribes' },
  paused: { code: 'paused', what: 'It is paused: no handler is called' },
  draining: { code: 'stopping', what: 'It takes nothing new; handlers end' },
  stopped: { code: 'stopped', what: 'It has stopped' },
} as const

const nothing: PipelineFacts = { ...noCounts(), inFlight: 0, running: 0, held: 0, timedOut: 0, standsStill: false }
