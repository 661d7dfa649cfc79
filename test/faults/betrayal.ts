import { readdirSync, rmSync } from 'node:fs'
import { expect } from 'vitest'
import { folderOf, startFaults, summaryOf } from './faultsCommand.js'
import type { InvariantName } from './invariants.js'
import type { Summary } from './report.js'

/** A promise that is broken on purpose, with the fault that brings it to light and the invariant that must notice. */
export interface Betrayal {
  readonly what: string
  readonly lie: string
  readonly faults: string
  readonly breaks: InvariantName
}

/** Runs a target with the betrayal, and fails unless the run turns red for its sake and leaves behind what explains it. */
export async function turnsRed(
  target: string,
  minutes: string,
  { lie, faults, breaks }: Omit<Betrayal, 'what'>,
): Promise<Summary> {
  const length = ['--minutes', minutes, '--patience', '6000']
  const run = startFaults(target, '--seed', '1', ...length, '--lie', lie, '--faults', faults, '--json')
  expect(await run.ended).toBe(1)
  const summary = summaryOf(run)
  expect(summary.invariants[breaks], run.stderr).toBe(false)
  expect(Object.keys(summary.faults)).toEqual([faults])
  const folder = folderOf(run)!
  expect(readdirSync(folder)).toEqual(expect.arrayContaining(['publisher-1.0.ledger', 'servers.log']))
  expect(run.stderr).toContain(`--seed 1 --minutes ${minutes}`)
  rmSync(folder, { recursive: true })
  return summary
}
