import type { DeadLetter, DeadLetterSource, Service } from '@posthorn/core'
import { createProbe } from './probe.js'
import type { Probe, ProbeOptions } from './probe.js'

/**
 * Collects the dead letters of one group, and removes them from the broker. Declares a reader on the service, so it must
 * be made before the service starts.
 */
export function createDeadLetterProbe(
  service: Pick<Service, 'readDeadLetters'>,
  source: DeadLetterSource,
  options: ProbeOptions<DeadLetter> = {},
): Probe<DeadLetter> {
  const probe = createProbe<DeadLetter>(`dead letters of ${source.destination}.${source.group}`, {
    describe: ({ reason, attempts, error }) => `${reason} after ${attempts} attempts: ${error?.message}`,
    ...options,
  })
  service.readDeadLetters(source, probe.record)
  return probe
}
