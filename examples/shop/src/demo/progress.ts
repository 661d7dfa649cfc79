import { Presets, SingleBar } from 'cli-progress'
import type { DemoProgress } from './runDemo.js'

/** Shows on standard error how far a run is: a bar on a terminal, a line now and then elsewhere. */
export interface ProgressView {
  /** Tells of something on a line of its own. */
  note(text: string): void
  stop(): void
}

const refreshMs = 200
const quietMs = 5_000

export function showProgress(look: () => DemoProgress, totalBytes: number | undefined): ProgressView {
  return process.stderr.isTTY && totalBytes !== undefined && totalBytes > 0
    ? showBar(look, totalBytes)
    : showLines(look)
}

/** Half for what was read, half for what was settled: a file is read long before its last order is paid. */
function showBar(look: () => DemoProgress, totalBytes: number): ProgressView {
  const format = '{bar} {percentage} % | published {published} | handled {handled} | dead-lettered {deadLettered}'
  const bar = new SingleBar({ format, stream: process.stderr, clearOnComplete: true }, Presets.shades_classic)
  const update = (): void => {
    const { readBytes, published, handled, deadLettered } = look()
    const isSettled = published === 0 ? 1 : (handled + deadLettered) / published
    bar.update(Math.round(50 * Math.min(1, readBytes / totalBytes) * (1 + isSettled)), {
      published,
      handled,
      deadLettered,
    })
  }
  bar.start(100, 0, { published: 0, handled: 0, deadLettered: 0 })
  const timer = setInterval(update, refreshMs)
  return {
    // The bar draws itself again below it.
    note: (text) => void process.stderr.write(`\r\u001b[K${text}\n`),
    stop() {
      clearInterval(timer)
      update()
      bar.stop()
    },
  }
}

function showLines(look: () => DemoProgress): ProgressView {
  const timer = setInterval(() => {
    const { read, published, handled, deadLettered } = look()
    process.stderr.write(`read ${read}, published ${published}, handled ${handled}, dead-lettered ${deadLettered}\n`)
  }, quietMs)
  return { note: (text) => void process.stderr.write(`${text}\n`), stop: () => clearInterval(timer) }
}
