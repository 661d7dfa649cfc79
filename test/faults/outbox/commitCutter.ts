import type { FaultInspector } from '@posthorn/testing'
import { createPostgresFrames, isCommit } from './postgresFrames.js'

/** What gets lost of a COMMIT with its connection: the request, so that nothing happens, or the answer, when it has. */
export type CommitLoss = 'request' | 'answer'

/** Within a proxy before PostgreSQL: knows the protocol well enough to find a COMMIT. */
export interface CommitCutter {
  /** COMMITs that were cut so far. */
  readonly cutCount: number
  /** For one connection. */
  inspect(): FaultInspector
  /** The connection of every so many-th COMMIT breaks; undefined ends that. */
  cut(every: number | undefined, loss?: CommitLoss): void
}

export function createCommitCutter(): CommitCutter {
  let every: number | undefined
  let loss: CommitLoss = 'request'
  let commits = 0
  let cutCount = 0

  function inspect(): FaultInspector {
    let awaitsAnswer = false
    /** Where the message begins that does not get through, in the chunk that is looked at. */
    let cutAt: number | undefined
    let position = 0
    const look = createPostgresFrames((frame) => {
      const begin = position
      position += frame.length
      if (every === undefined || !isCommit(frame) || (commits += 1) % every !== 0) return
      cutCount += 1
      if (loss === 'request') cutAt ??= begin
      else awaitsAnswer = true
    })
    return {
      toServer(bytes) {
        look(bytes)
        // What is left of a message that is not whole yet lies before the next chunk.
        position -= bytes.length
        return cutAt === undefined ? undefined : Math.max(0, cutAt)
      },
      // An answer at all means that the COMMIT is done with: the server reads nothing from a connection that is reset.
      toClient: () => (awaitsAnswer ? 0 : undefined),
    }
  }

  return {
    get cutCount() {
      return cutCount
    },
    inspect,
    cut(count, how = 'request') {
      every = count
      loss = how
    },
  }
}
