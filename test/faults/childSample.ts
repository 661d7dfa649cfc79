import type { EventEmitter } from 'node:events'
import { Socket } from 'node:net'
import type { ActorState } from './actor.js'
import type { ProcessSample } from './invariants.js'

/** What a process holds at this moment. */
export function takeSample(name: string, { ready, unconfirmed }: ActorState): ProcessSample {
  const resources = process.getActiveResourcesInfo()
  return {
    process: name,
    sockets: resources.filter((resource) => resource === 'TCPSocketWrap').length,
    timers: resources.filter((resource) => resource === 'Timeout').length,
    listeners: openSockets().reduce((sum, socket) => sum + listenerCount(socket), listenerCount(process)),
    rssBytes: process.memoryUsage.rss(),
    unconfirmed,
    ready,
  }
}

/** Node.js has no public way to the sockets that are open. */
function openSockets(): Socket[] {
  const handles = (process as unknown as { _getActiveHandles(): unknown[] })._getActiveHandles()
  return handles.filter((handle): handle is Socket => handle instanceof Socket && handle.remotePort !== undefined)
}

function listenerCount(emitter: EventEmitter): number {
  return emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0)
}
