/**
 * What an adapter, an outbox and an inbox must do, and which tests show it. The ids are the rows of the project's catalogue of failure modes: for
 * RabbitMQ, A is connections and publishing, B is consuming and queues; for Kafka, C is publishing, D is consuming; E is outbox
 * and inbox.
 */
export interface Requirement {
  readonly id: `${'A' | 'B' | 'C' | 'D' | 'E'}${number}`
  /** What goes wrong without it. */
  readonly failure: string
  readonly musts: readonly Must[]
}

/** One thing that must hold. */
export interface Must {
  readonly must: string
  readonly tests: readonly NamedTest[]
  /** What of it is not met, or not shown, yet. Only then may tests be missing. */
  readonly open?: string
}

/** A test as Vitest names it. */
export interface NamedTest {
  /** From the root of the repository. */
  readonly file: string
  /** The titles of its suites and its own, joined by ` > `; of a parametrised test as it is written. */
  readonly name: string
}

/** Names the tests of one suite of a file; without a suite, those at its top. */
export function testsOf(file: string, suite?: string): (title: string) => NamedTest {
  return (title) => ({ file, name: suite === undefined ? title : `${suite} > ${title}` })
}
