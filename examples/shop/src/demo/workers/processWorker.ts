import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ShopError } from '../../shopError.js'
import { errorOf } from './messages.js'
import type { Failure, FromWorker, ToWorker, WorkerSetting } from './messages.js'
import type { News, OrderDesk, Worker } from './worker.js'

export interface ProcessWorkerOptions {
  readonly setting: WorkerSetting
  readonly news: News
  /** Told when a process ends that nobody has killed. */
  readonly onFault: (error: unknown) => void
}

const command = fileURLToPath(new URL('./workerProcess.js', import.meta.url))
/** When a worker does not come to the point where it shall die. */
const crashPatienceMs = 3_000

/** How a promise is settled. */
interface Settle {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** One process, and what was asked of it. */
interface Life {
  readonly child: ChildProcess
  readonly placing: Map<number, Settle>
  readonly ready: Promise<void>
  readonly ended: Promise<void>
  isExpected: boolean
}

/** A worker in a process of its own, which dies by SIGKILL. */
export function createProcessWorker({ setting, news, onFault }: ProcessWorkerOptions): Worker & OrderDesk {
  let life: Life | undefined
  let numbers = 0

  function begin(): Life {
    const child = fork(command, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv: [] })
    let settle: Settle = { resolve() {}, reject() {} }
    const ready = new Promise<void>((resolve, reject) => (settle = { resolve, reject }))
    ready.catch(() => {}) // Whoever started it hears of it; those that wait for it are told by its end.
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    const begun: Life = { child, placing: new Map(), ready, ended, isExpected: false }
    child.on('error', (error) => settle.reject(error))
    child.on('message', (message: FromWorker) => heard(begun, message, settle))
    child.once('exit', (code, signal) => {
      const error = crashed(`The worker ${setting.name} has ended (${signal ?? code})`)
      settle.reject(error)
      for (const { reject } of begun.placing.values()) reject(error)
      begun.placing.clear()
      if (!begun.isExpected) onFault(error)
    })
    tell(child, { kind: 'begin', setting })
    life = begun
    return begun
  }

  function heard({ placing }: Life, message: FromWorker, settle: Settle): void {
    if (message.kind === 'ready') settle.resolve()
    if (message.kind === 'failed') settle.reject(errorOf(message.failure))
    if (message.kind === 'news') (news[message.name] as (...facts: readonly unknown[]) => void)(...message.facts)
    if (message.kind === 'placed') {
      const asked = placing.get(message.number)
      placing.delete(message.number)
      if (message.failure === undefined) asked?.resolve()
      else asked?.reject(errorOf(message.failure satisfies Failure))
    }
  }

  return {
    name: setting.name,
    async start(signal) {
      const { child, ready } = begin()
      const giveUp = (): void => void child.kill('SIGKILL')
      signal.addEventListener('abort', giveUp, { once: true })
      await ready.finally(() => signal.removeEventListener('abort', giveUp))
    },
    async stop(deadlineMs) {
      if (life === undefined) return
      life.isExpected = true
      const { child, ended } = life
      if (child.exitCode !== null || child.signalCode !== null) return
      tell(child, { kind: 'stop', deadlineMs })
      const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs + 1_000)
      await ended
      clearTimeout(timer)
    },
    async crash(point) {
      if (life === undefined) return
      const { child, ended } = life
      life.isExpected = true
      tell(child, { kind: 'arm', point })
      const timer = setTimeout(() => child.kill('SIGKILL'), crashPatienceMs)
      await ended
      clearTimeout(timer)
      await begin().ready
    },
    async place(order, { id }) {
      const asked = life
      await asked?.ready
      if (asked === undefined || asked !== life) throw crashed('The order service was down')
      numbers += 1
      const number = numbers
      await new Promise<void>((resolve, reject) => {
        asked.placing.set(number, { resolve, reject })
        tell(asked.child, { kind: 'place', number, order, id })
      })
    },
  }
}

/** A worker that is dead takes no message: its end says so to everybody who waits. */
function tell(child: ChildProcess, message: ToWorker): void {
  if (child.connected) child.send(message, () => {})
}

const crashed = (message: string): ShopError => new ShopError('SHOP_CRASHED', message)
