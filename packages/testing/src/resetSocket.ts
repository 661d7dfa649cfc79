import type { Socket } from 'node:net'

/** Ends a connection with a TCP reset where that is possible, and otherwise without; it is closed in any case. */
export function resetSocket(socket: Socket): void {
  // libuv refuses to reset a socket whose end is just being sent, and Node.js then forgets to close it: the process
  // would spin for ever when it exits (tried on 20.20). One that is still connecting would be reset only afterwards.
  const isEnding = socket.writableEnded && !socket.writableFinished
  if (socket.connecting || isEnding) socket.destroy()
  else socket.resetAndDestroy()
}
