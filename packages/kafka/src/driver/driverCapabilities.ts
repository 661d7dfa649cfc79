import zlib from 'node:zlib'

/** What a record batch may be compressed with. */
export type Codec = 'gzip' | 'snappy' | 'lz4' | 'zstd'

/** What a client can do beyond the port; known before it is loaded, so that options it cannot honour are refused. */
export interface DriverCapabilities {
  /** A member works off what it has before it joins a new generation: it waits for the handlers. */
  readonly drainsBeforeRejoin: boolean
  /** A member may have a name that outlives its process: a restart within the session timeout rebalances nobody. */
  readonly staticMembership: boolean
  /** Codecs that are built in, to read and to write. Others end a consumer that meets them (`unsupported`). */
  readonly codecs: readonly Codec[]
}

/** The drivers that there are. */
export type DriverName = 'kafkajs' | 'platformatic'

// In Node.js 20 there is none.
const zstd: readonly Codec[] = 'zstdCompressSync' in zlib ? ['zstd'] : []

/** What each driver can do; without loading its client. */
export const driverCapabilities: Readonly<Record<DriverName, DriverCapabilities>> = {
  // kafkajs joins again within milliseconds of a rebalance, and its members have no names of their own.
  kafkajs: { drainsBeforeRejoin: false, staticMembership: false, codecs: ['gzip'] },
  platformatic: { drainsBeforeRejoin: true, staticMembership: true, codecs: ['gzip', 'snappy', 'lz4', ...zstd] },
}
