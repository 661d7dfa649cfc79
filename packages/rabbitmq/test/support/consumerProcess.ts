import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { defineEvent } from '@posthorn/core'
import type { EventContract } from '@posthorn/core'
import type { RabbitMqOptions } from '../../src/index.js'

/** What a consumer process is told to do. */
export interface ConsumerOrder {
  readonly url: string
  readonly destination: string
  readonly consumer?: object
  readonly rabbitMq?: Partial<RabbitMqOptions>
  /** How long a handler works, in milliseconds. */
  readonly handleMs?: number
  /** How long a handler blocks the event loop, in milliseconds. */
  readonly blockMs?: number
  readonly stopMs?: number
  /** Of Node.js itself. */
  readonly nodeArgs?: readonly string[]
}

/** What the processes handle; a `poison` kills its process. */
export interface ChildData {
  readonly kind: string
  readonly filler?: string
}

export function childContract(destination: string): EventContract<ChildData> {
  return defineEvent({
    type: 'com.example.child.v1',
    destination,
    schema: {
      type: 'object',
      required: ['kind'],
      properties: { kind: { type: 'string' }, filler: { type: 'string' } },
    },
  })
}

/** A consumer in a process of its own. */
export interface ConsumerProcess {
  readonly child: ChildProcess
  /** Ids in the order in which they were handled; repeated where a message came again. */
  readonly handled: string[]
  readonly lines: string[]
  /** Resolves when it has printed the line, rejects when it ends first. */
  said(line: string): Promise<void>
  /** Resolves with the signal or the code that ended it. */
  readonly ended: Promise<string>
}

const script = fileURLToPath(new URL('./consumerProcess.mjs', import.meta.url))

export function startConsumer({ nodeArgs = [], ...order }: ConsumerOrder): ConsumerProcess {
  const child = spawn(process.execPath, [...nodeArgs, script, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  const handled: string[] = []
  const listeners = new Set<() => void>()
  let rest = ''
  let errors = ''
  child.stderr.on('data', (text: Buffer) => (errors = (errors + String(text)).slice(-4_000)))
  child.stdout.on('data', (text: Buffer) => {
    const found = (rest + String(text)).split('\n')
    rest = found.pop() ?? ''
    for (const line of found) {
      lines.push(line)
      if (line.startsWith('handled ')) handled.push(line.split(' ')[1] as string)
    }
    for (const listener of listeners) listener()
  })
  const ended = once(child, 'close').then(([code, signal]) => String(signal ?? code))
  return {
    child,
    handled,
    lines,
    ended,
    said: (line) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!lines.includes(line)) return
          listeners.delete(look)
          resolve()
        }
        listeners.add(look)
        look()
        void ended.then((how) => reject(new Error(`ended with ${how} before "${line}": ${errors}`)))
      }),
  }
}
