import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

/** Everything of a run is on loopback. */
export const host = '127.0.0.1'

/** A connection through a bridge: what one side sends reaches the other only where `Taking` writes it. */
export interface BridgedConnection {
  readonly client: Socket
  readonly server: Socket
  /** Ends both sides with a TCP reset. */
  readonly reset: () => void
}

/** What becomes of the bytes of one connection. */
export interface Taking {
  readonly fromClient: (chunk: Buffer) => void
  readonly fromServer: (chunk: Buffer) => void
}

/** Listens on a free port and leads to another, for those who understand what passes. */
export interface TcpBridge {
  readonly address: string
  /** Resets all connections and stops listening. */
  close(): Promise<void>
}

export async function createTcpBridge(
  port: number,
  take: (connection: BridgedConnection) => Taking,
): Promise<TcpBridge> {
  const sockets = new Set<Socket>()

  function join(source: Socket, sink: Socket, onChunk: (chunk: Buffer) => void): void {
    sockets.add(source)
    source.setNoDelay(true)
    source.on('data', (chunk: Buffer) => {
      if (sink.destroyed) return
      onChunk(chunk)
      if (sink.writableNeedDrain) source.pause()
    })
    sink.on('drain', () => source.resume())
    source.on('error', () => {}) // `close` follows.
    source.on('end', () => sink.end())
    source.on('close', () => {
      sockets.delete(source)
      // Whatever ended it: the other side must hear of it.
      if (!sink.writableEnded) sink.resetAndDestroy()
    })
  }

  const listener = createServer((client) => {
    const server = connect({ host, port, noDelay: true })
    const reset = (): void => [client, server].forEach((socket) => socket.resetAndDestroy())
    const { fromClient, fromServer } = take({ client, server, reset })
    join(client, server, fromClient)
    join(server, client, fromServer)
  })
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject)
    listener.listen(0, host, resolve)
  })
  return {
    address: `${host}:${(listener.address() as AddressInfo).port}`,
    async close() {
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()))
      for (const socket of sockets) socket.resetAndDestroy()
      await closed
    },
  }
}
