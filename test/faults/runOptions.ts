import type { AnyLie, Role } from './childLink.js'

/** What a run is told. */
export interface RunOptions {
  readonly target: string
  readonly seed: number
  readonly totalMs: number
  readonly version: string | undefined
  readonly nodes: 1 | 3
  /** The client underneath the adapter, where there are several. */
  readonly driver: string | undefined
  /** Publishes in a second, of all publishers together. */
  readonly rate: number
  /** Only these kinds of faults. */
  readonly kinds: readonly string[] | undefined
  /** A promise that the processes of one role break: the run must notice. */
  readonly lie: { readonly role: Role; readonly lie: AnyLie } | undefined
  /** At the end: how long nothing may move until what has not ended counts as lost. */
  readonly patienceMs: number
}

/** The command that repeats a run. */
export function commandOf(options: RunOptions): string {
  const { target, seed, totalMs, version, nodes, driver, rate, kinds, lie } = options
  return [
    `npm run faults -- ${target} --seed ${seed} --minutes ${totalMs / 60_000} --nodes ${nodes} --rate ${rate}`,
    ...(version === undefined ? [] : [`--version ${version}`]),
    ...(driver === undefined ? [] : [`--driver ${driver}`]),
    ...(kinds === undefined ? [] : [`--faults ${kinds.join(',')}`]),
    ...(lie === undefined ? [] : [`--lie ${lie.role}:${lie.lie}`]),
  ].join(' ')
}
