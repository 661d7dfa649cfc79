import { codeOf } from './errors.js'
import { healthCodes } from './healthCodes.js'
import type { HealthCode } from './healthCodes.js'
import { redactText } from './logs/redactText.js'

/** One thing that stands in the way, or that an operator should know. Never has a password or data. */
export interface HealthReason {
  /** A `HealthCode`; a part of your own may have others. */
  readonly code: string
  /** What it is about: `service`, `transport rabbitmq`, `group billing`, `part relay`. */
  readonly where: string
  /** What is wrong, in plain words. */
  readonly what: string
  /** What to do next. */
  readonly next: string
}

/** What everything that runs tells of itself; facts of its own stand beside. */
export interface Health {
  /** Does its work now, or would at once. False while it starts, waits for a broker, is blocked, paused or stops. */
  readonly ready: boolean
  /** False only when it makes no progress and starting the process anew would help; an outage never makes it false. */
  readonly live: boolean
  /** Why not, and what else an operator should know; empty when all is well. */
  readonly reasons: readonly HealthReason[]
}

/** A reason of the table; credentials that its text names are taken out of it, since what a library says is often its end. */
export function healthReason(of: {
  readonly code: HealthCode
  readonly where: string
  readonly what: string
}): HealthReason {
  return { ...of, what: redactText(of.what), next: healthCodes[of.code].next }
}

/** Ready and live as the reasons say; a code that is not in the table makes nothing false. */
export function healthFrom(reasons: readonly HealthReason[]): Health {
  const ends = reasons.map(({ code }) => endsOf(code))
  return {
    ready: ends.every((one) => one === 'nothing'),
    live: !ends.includes('liveness'),
    reasons,
  }
}

/** Ready, or live, when all are; reasons that several give stand once. */
export function joinHealth(all: readonly Health[]): Health {
  const reasons = new Map<string, HealthReason>()
  for (const reason of all.flatMap((one) => one.reasons)) {
    reasons.set(JSON.stringify([reason.code, reason.where, reason.what]), reason)
  }
  return {
    ready: all.every(({ ready }) => ready),
    live: all.every(({ live }) => live),
    reasons: [...reasons.values()],
  }
}

/**
 * What something tells of itself, whatever it does. A health that cannot be told is not ready, and says nothing about
 * progress, so no process is to be ended for it.
 */
export function askHealth<H extends Health>(where: string, subject: { health(): H }): H | Health {
  try {
    const told = subject.health()
    const health: Health = { ready: told.ready === true, live: told.live !== false, reasons: listOf(told.reasons) }
    if (health.reasons.length > 0 || (health.ready && health.live)) return { ...told, ...health }
    const what = health.live ? 'It says that it is not ready' : 'It says that it is not live'
    const reason = healthReason({ code: health.live ? 'notReady' : 'notLive', where, what })
    return { ...told, ...health, reasons: [reason] }
  } catch (error) {
    const what = `health() threw ${codeOf(error) ?? 'an error'}`
    return healthFrom([healthReason({ code: 'healthFailed', where, what })])
  }
}

function listOf(reasons: unknown): readonly HealthReason[] {
  if (!Array.isArray(reasons)) return []
  return (reasons as readonly unknown[])
    .filter(isReason)
    .map((reason) => ({ ...reason, what: redactText(reason.what) }))
}

function isReason(value: unknown): value is HealthReason {
  const { code, where, what, next } = (value ?? {}) as Partial<Record<keyof HealthReason, unknown>>
  return [code, where, what, next].every((text) => typeof text === 'string')
}

function endsOf(code: string): 'liveness' | 'readiness' | 'nothing' {
  return Object.hasOwn(healthCodes, code) ? healthCodes[code as HealthCode].ends : 'nothing'
}
