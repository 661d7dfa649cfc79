import net from 'node:net'
import tls from 'node:tls'
import type { ISocketFactory } from 'kafkajs'

/** The sockets of one client, so that it can be ended: kafkajs waits for answers when it closes, and has no abort. */
export interface SocketRegistry {
  readonly factory: ISocketFactory
  /** How often a socket was connected, and how many are: nothing can be written while both stay as they are at zero. */
  readonly connected: { readonly open: number; readonly total: number }
  /** Breaks every connection; what waits on them fails. */
  breakAll(): void
  /** Breaks every connection and refuses new ones, so that retries of kafkajs end. */
  end(): void
}

/** Probes idle connections of vanished peers, which is sooner than the 60 s of kafkajs. */
const keepAliveMs = 15_000

export function createSocketRegistry(): SocketRegistry {
  const sockets = new Set<net.Socket>()
  const connected = { open: 0, total: 0 }
  let ended = false

  function connect({ host, port, ssl, onConnect }: Parameters<ISocketFactory>[0]): net.Socket {
    if (!ssl) return net.connect({ host, port }, onConnect)
    try {
      return tls.connect({ host, port, ...(net.isIP(host) === 0 ? { servername: host } : {}), ...ssl }, onConnect)
    } catch (error) {
      // Options that are no certificates: kafkajs would drop the code of an error that is thrown.
      return new net.Socket().destroy(error as Error)
    }
  }

  function breakAll(): void {
    for (const socket of sockets) socket.destroy(new Error('The connection was ended by Posthorn'))
  }

  return {
    connected,
    factory(wanted) {
      if (ended) throw new Error('The client is closed')
      let isOpen = false
      const socket = connect({
        ...wanted,
        onConnect: () => {
          isOpen = true
          connected.open += 1
          connected.total += 1
          wanted.onConnect()
        },
      })
      sockets.add(socket)
      // kafkajs lets go of a closed socket again with each attempt, which Node.js would take for a leak.
      socket.setMaxListeners(0)
      socket.setNoDelay(true)
      socket.setKeepAlive(true, keepAliveMs)
      // A late error of a socket that kafkajs has let go must not end the process.
      socket.on('error', () => {})
      socket.once('close', () => {
        sockets.delete(socket)
        if (isOpen) connected.open -= 1
      })
      return socket
    },
    breakAll,
    end() {
      ended = true
      breakAll()
    },
  }
}
