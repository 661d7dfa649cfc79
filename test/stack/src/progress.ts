import pc from 'picocolors'

/** Told in a few words what is being done now. */
export type Progress = (step: string) => void

export const silent: Progress = () => {}

export interface ProgressBoard {
  /** Runs `work`, showing its steps, how long they take, and how it ended. */
  follow<T>(name: string, work: (progress: Progress) => Promise<T>): Promise<T>
  close(): void
}

const seconds = (since: number): string => `${((Date.now() - since) / 1000).toFixed(1)} s`

/**
 * Shows several pieces of work at once on stderr: a line for each step, and on a terminal a last line that counts the
 * seconds of what is under way; elsewhere a reminder every 15 s, so that a log never looks dead.
 */
export const showProgress = (out: NodeJS.WriteStream = process.stderr): ProgressBoard => {
  const current = new Map<string, { step: string; since: number }>()
  const clear = (): void => void (out.isTTY && out.write('\r\x1b[K'))
  const line = (text: string): void => {
    clear()
    out.write(`${text}\n`)
  }
  const underWay = (): string =>
    [...current].map(([name, { step, since }]) => `${name}: ${step} ${seconds(since)}`).join(' · ')
  const tick = (): void => {
    if (current.size === 0) return
    if (out.isTTY) out.write(`\r\x1b[K${pc.dim(underWay().slice(0, (out.columns || 80) - 1))}`)
    else out.write(`… ${underWay()}\n`)
  }
  const timer = setInterval(tick, out.isTTY ? 200 : 15_000)

  const follow = async <T>(name: string, work: (progress: Progress) => Promise<T>): Promise<T> => {
    const since = Date.now()
    const progress: Progress = (step) => {
      current.set(name, { step, since })
      line(`${pc.bold(name)} ${step}`)
    }
    try {
      const result = await work(progress)
      current.delete(name)
      line(`${pc.bold(name)} ${pc.green('is up')} ${pc.dim(seconds(since))}`)
      return result
    } catch (error) {
      current.delete(name)
      line(`${pc.bold(name)} ${pc.red('failed')} ${pc.dim(seconds(since))}`)
      throw error
    }
  }
  return {
    follow,
    close: () => {
      clearInterval(timer)
      clear()
    },
  }
}
