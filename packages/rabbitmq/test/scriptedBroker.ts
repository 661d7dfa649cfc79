import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { dirname, join } from 'node:path'

/* Brokers that say what no real one would, or not at that moment; in frames of amqplib's own codec. */

type MethodId = number
interface Definitions {
  readonly [name: string]: unknown
  readonly encodeMethod: (id: MethodId, channel: number, fields: object) => Buffer
}

const require = createRequire(import.meta.url)
const definitions = require(join(dirname(require.resolve('amqplib')), 'lib', 'defs.js')) as Definitions

/** A method frame on channel 0. */
export const frame = (name: string, fields: object = {}): Buffer =>
  definitions.encodeMethod(definitions[name] as MethodId, 0, fields)

export const start = (mechanisms = 'PLAIN'): Buffer =>
  frame('ConnectionStart', {
    versionMajor: 0,
    versionMinor: 9,
    serverProperties: { version: '4.3.0' },
    mechanisms: Buffer.from(mechanisms),
    locales: Buffer.from('en_US'),
  })
export const tune = (frameMax = 131_072): Buffer =>
  frame('ConnectionTune', { channelMax: 2_047, frameMax, heartbeat: 0 })
export const openOk: Buffer = frame('ConnectionOpenOk', { knownHosts: '' })
export const close = (replyCode: number, replyText: string): Buffer =>
  frame('ConnectionClose', { replyCode, replyText, classId: 0, methodId: 0 })

/** What the client says, as far as a script has to know it. */
export type Said = 'header' | 'startOk' | 'open' | 'updateSecret' | 'close' | 'other'

/** Answers what a client says; nothing is no answer, and `hangUp` ends the connection. */
export type Script = (said: Said, bytes: Buffer, socket: Socket) => Buffer | 'hangUp' | undefined

/** Lets everybody in, and out. */
export const friendly: Script = (said) => {
  if (said === 'header') return start()
  if (said === 'startOk') return tune()
  if (said === 'close') return frame('ConnectionCloseOk')
  return said === 'open' ? openOk : undefined
}

export interface ScriptedBroker {
  readonly url: string
  readonly port: number
  /** Connections that were made, the ones that ended included. */
  readonly connectionCount: () => number
  close(): Promise<void>
}

export async function startScriptedBroker(script: Script): Promise<ScriptedBroker> {
  const sockets = new Set<Socket>()
  let count = 0
  const server = createServer((socket) => {
    count += 1
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    let left = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      left = Buffer.concat([left, chunk])
      for (let next = take(left); next !== undefined; next = take(left)) {
        left = left.subarray(next.length)
        const answer = script(meaningOf(next), next, socket)
        if (answer === 'hangUp') socket.destroy()
        else if (answer !== undefined) socket.write(answer)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `amqp://127.0.0.1:${port}`,
    port,
    connectionCount: () => count,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

/** The protocol header, or one frame. */
function take(bytes: Buffer): Buffer | undefined {
  if (bytes.length < 8) return undefined
  const length = bytes[0] === 0x41 ? 8 : 8 + bytes.readUInt32BE(3)
  return bytes.length < length ? undefined : bytes.subarray(0, length)
}

function meaningOf(bytes: Buffer): Said {
  if (bytes[0] === 0x41) return 'header'
  const id = bytes[0] === 1 ? bytes.readUInt32BE(7) : 0
  if (id === definitions['ConnectionStartOk']) return 'startOk'
  if (id === definitions['ConnectionOpen']) return 'open'
  if (id === definitions['ConnectionUpdateSecret']) return 'updateSecret'
  return id === definitions['ConnectionClose'] ? 'close' : 'other'
}
