import { healthCodes } from '@posthorn/core'
import type { Health, HealthReason } from '@posthorn/core'
import { askHealth } from '@posthorn/core/adapter'

/** Anything with a health: a service, a relay, a consumer, a part of your own. */
export interface HealthSubject {
  health(): Health
}

/** What is asked, each by a name of your choice. */
export type HealthSubjects = Readonly<Record<string, HealthSubject>>

/** A reason, and whose it is. */
export interface SubjectReason extends HealthReason {
  readonly subject: string
}

/** Status and body of an answer to a probe. */
export interface ProbeAnswer<Body> {
  /** 200 when all is well, else 503. */
  readonly status: 200 | 503
  /** To be sent as JSON. */
  readonly body: Body
}

export interface ReadinessBody {
  readonly ready: boolean
  /** Of all subjects. */
  readonly reasons: readonly SubjectReason[]
  /** All that each subject tells of itself. */
  readonly health: Readonly<Record<string, Health>>
}

export interface LivenessBody {
  readonly live: boolean
  /** Why not; empty otherwise. */
  readonly reasons: readonly SubjectReason[]
}

/** The answer to a readiness probe: 200 when every subject is ready. Never throws, whatever a `health()` does. */
export function readiness(subjects: HealthSubjects): ProbeAnswer<ReadinessBody> {
  const told = ask(subjects)
  const ready = told.every(([, health]) => health.ready)
  const reasons = told.flatMap(([subject, health]) => health.reasons.map((reason) => ({ subject, ...reason })))
  return { status: ready ? 200 : 503, body: { ready, reasons, health: Object.fromEntries(told) } }
}

/**
 * The answer to a liveness probe: 503 only when a subject makes no progress and a new process would help, never for an
 * outage. Never throws, whatever a `health()` does.
 */
export function liveness(subjects: HealthSubjects): ProbeAnswer<LivenessBody> {
  const dead = ask(subjects).filter(([, health]) => !health.live)
  const reasons = dead.flatMap(([subject, health]) =>
    health.reasons.filter(endsLiveness).map((reason) => ({ subject, ...reason })),
  )
  return { status: dead.length === 0 ? 200 : 503, body: { live: dead.length === 0, reasons } }
}

function ask(subjects: HealthSubjects): readonly (readonly [string, Health])[] {
  return Object.entries(subjects).map(([name, subject]) => [name, askHealth(name, subject)])
}

/** What others than Posthorn say may. */
function endsLiveness({ code }: HealthReason): boolean {
  const known = Object.entries(healthCodes).find(([one]) => one === code)
  return known === undefined || known[1].ends === 'liveness'
}
