import { createChild } from './children.js'
import type { Child, ChildrenOptions } from './children.js'
import type { Role } from './childLink.js'
import type { ProcessSample, RunFacts } from './invariants.js'

/** How many processes of each role a run has. */
export type CrewSizes = Readonly<Partial<Record<Role, number>>> & {
  readonly publisher: number
  readonly consumer: number
}

/** Of a run in which services talk to their broker directly. */
export const directCrew: CrewSizes = { reader: 1, consumer: 2, publisher: 2 }

/** What the processes of a run say of themselves when it is over. */
export type CrewFacts = Pick<RunFacts, 'samples' | 'maxUnconfirmed' | 'dead'>

/** All processes of a run. */
export interface Crew {
  readonly children: readonly Child[]
  /** Resolves when all run; nothing is published yet. */
  start(): Promise<void>
  /** Nothing is published any more, and every publish has settled. */
  pause(): Promise<void>
  /** Publishers publish. */
  resume(): void
  /** Ends all as a platform would, after asking what they hold. */
  finish(): Promise<CrewFacts>
  /** Ends all at once. */
  kill(): Promise<void>
}

export function createCrew(sizes: CrewSizes, options: Omit<ChildrenOptions, 'onUnconfirmed'>): Crew {
  let maxUnconfirmed = 0
  const onUnconfirmed = (count: number): void => void (maxUnconfirmed = Math.max(maxUnconfirmed, count))
  const children = Object.entries(sizes).flatMap(([role, count]) =>
    Array.from({ length: count }, (_, at) => createChild(role as Role, at + 1, { ...options, onUnconfirmed })),
  )
  const publishers = children.filter(({ role }) => role === 'publisher')

  async function finish(): Promise<CrewFacts> {
    const asked = await Promise.all(
      children.map(async (child) => ({ name: child.name, first: child.first, last: await child.sample() })),
    )
    const isWhole = (
      pair: (typeof asked)[number],
    ): pair is { name: string; first: ProcessSample; last: ProcessSample } =>
      pair.first !== undefined && pair.last !== undefined
    const ends = await Promise.all(children.map(async (child) => ({ name: child.name, ok: await child.terminate() })))
    return {
      samples: asked.filter(isWhole).map(({ first, last }) => ({ first, last })),
      maxUnconfirmed,
      dead: [
        ...asked.filter((pair) => !isWhole(pair)).map(({ name }) => `${name} did not answer at the end`),
        ...ends.filter(({ ok }) => !ok).map(({ name }) => `${name} did not end when it was asked to`),
      ],
    }
  }

  return {
    children,
    start: async () => void (await Promise.all(children.map((child) => child.start()))),
    pause: async () => void (await Promise.all(publishers.map((child) => child.pause()))),
    resume: () => publishers.forEach((child) => child.send({ type: 'run' })),
    finish,
    kill: async () => void (await Promise.all(children.map((child) => child.kill()))),
  }
}
