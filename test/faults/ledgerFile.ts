import { closeSync, openSync, writeSync } from 'node:fs'

/*
 * One line each, fields separated by spaces, times in microseconds of the run:
 *   a <id> <time>                        about to be published
 *   k <id> <routed 1|0> <time>           confirmed
 *   f <id> <notSent|unknown> <code> <time>  rejected
 *   h <id> <attempt> <key> <seq> <time>  handler called
 *   d <id> <time>                        handler done
 *   r <id> <time>                        not handled: the inbox knew it
 *   z <id> <reason> <attempts> <time>    read as a dead letter
 *   e <time>                             the process ended as it should
 */

/** An append-only file of one process. */
export interface LedgerWriter {
  /**
   * Resolves when the line is with the operating system, where it survives the process (not the machine, which does not
   * crash in a run). Lines of one turn of the event loop go out together.
   */
  write(line: string): Promise<void>
  close(): void
}

export function openLedger(path: string): LedgerWriter {
  const file = openSync(path, 'a')
  let lines: string[] = []
  let written: Promise<void> | undefined
  function flush(): void {
    const bytes = Buffer.from(lines.join(''), 'latin1')
    lines = []
    written = undefined
    for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at)
  }
  return {
    write(line) {
      lines.push(line, '\n')
      written ??= new Promise((resolve) =>
        setImmediate(() => {
          flush()
          resolve()
        }),
      )
      return written
    },
    close() {
      flush()
      closeSync(file)
    },
  }
}

/** The time of a run, the same in all of its processes. */
export function runClock(startedAt: bigint): () => number {
  return () => Number((process.hrtime.bigint() - startedAt) / 1_000n)
}
