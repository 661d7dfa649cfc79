import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { OwnProcessContender, Sample } from './measure.js'

const run = promisify(execFile)

export interface ConsumerProcessParts {
  readonly name: string
  /** The file of the program next to this one, and what it is told before the two counts. */
  readonly program: string
  readonly args: readonly string[]
  /** What a process handles before it is measured. V8 optimises what runs often, in the background; after 15,000 it still does. */
  readonly warmUpCount: number
  /** So many times the messages of a round, for one that is so much quicker; figures are per message. @default 1 */
  readonly multiple?: number
  /** Publishes so many messages. */
  readonly prepare: (messages: number) => Promise<void>
  readonly close: () => Promise<void>
}

/** A consumer in a process of its own for each round, as services are: no heap carries traces of somebody else. */
export function consumerProcess(parts: ConsumerProcessParts): OwnProcessContender {
  const { name, args, warmUpCount, multiple = 1, prepare, close } = parts
  const program = fileURLToPath(new URL(parts.program, import.meta.url))
  return {
    name,
    async sample(messages) {
      const measured = messages * multiple
      await prepare(measured + warmUpCount)
      const { stdout } = await run(process.execPath, [program, ...args, `${measured}`, `${warmUpCount}`])
      return JSON.parse(stdout) as Sample
    },
    close,
  }
}
