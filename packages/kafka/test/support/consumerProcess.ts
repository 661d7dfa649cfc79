import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { defineEvent } from '@posthorn/core'
import type { EventContract } from '@posthorn/core'
import type { KafkaOptions } from '../../src/index.js'

/** What a consumer process is told to do. */
export interface ConsumerOrder {
  readonly brokers: readonly string[]
  readonly destination: string
  readonly consumer?: object
  readonly kafka?: Partial<KafkaOptions>
  /** How long a handler works, in milliseconds. */
  readonly handleMs?: number
}

/** What the processes handle; a `poison` kills its process, a `bad` one is dead-lettered. */
export interface ChildData {
  readonly kind: string
}

export function childContract(destination: string): EventContract<ChildData> {
  return defineEvent({
    type: 'com.example.child.v1',
    destination,
    schema: { type: 'object', required: ['kind'], properties: { kind: { type: 'string' } } },
  })
}

/** A consumer in a process of its own. */
export interface ConsumerProcess {
  readonly child: ChildProcess
  /** Ids, by what happened to them, in order; repeated where a message came again. */
  readonly ids: { readonly began: string[]; readonly handled: string[]; readonly aborted: string[] }
  /** Resolves when the condition holds, rejects when the process ends first. */
  until(isEnough: () => boolean): Promise<void>
  /** Resolves when the service runs. */
  readonly started: Promise<void>
  /** Resolves with the signal or the code that ended it. */
  readonly ended: Promise<string>
}

const script = fileURLToPath(new URL('./consumerProcess.mjs', import.meta.url))

export function startConsumer(order: ConsumerOrder): ConsumerProcess {
  const child = spawn(process.execPath, [script, JSON.stringify(order)], { stdio: ['ignore', 'pipe', 'pipe'] })
  const ids: ConsumerProcess['ids'] = { began: [], handled: [], aborted: [] }
  const listeners = new Set<() => void>()
  let hasStarted = false
  let rest = ''
  let errors = ''
  child.stderr.on('data', (text: Buffer) => (errors = (errors + String(text)).slice(-4_000)))
  child.stdout.on('data', (text: Buffer) => {
    const found = (rest + String(text)).split('\n')
    rest = found.pop() ?? ''
    for (const line of found) {
      const [what = '', id = ''] = line.split(' ')
      if (what === 'started') hasStarted = true
      else if (what in ids) ids[what as keyof typeof ids].push(id)
    }
    for (const listener of listeners) listener()
  })
  const ended = once(child, 'close').then(([code, signal]) => String(signal ?? code))
  const until = (isEnough: () => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (!isEnough()) return
        listeners.delete(look)
        resolve()
      }
      listeners.add(look)
      look()
      void ended.then((how) => reject(new Error(`The process ended with ${how}: ${errors}`)))
    })
  const started = until(() => hasStarted)
  started.catch(() => {})
  return { child, ids, until, started, ended }
}
