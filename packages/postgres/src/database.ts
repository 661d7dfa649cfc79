import type { Listener, ListenerEvents } from '@posthorn/outbox'

/** A row as a statement of this package names its columns; numbers and times are text. */
export type Row = Readonly<Record<string, unknown>>

/** What a parameter of a statement may be: what every driver passes on alike. */
export type Value = string | number | boolean | Uint8Array | null

/** Runs one statement with its parameters `$1`, `$2`, …; resolves with its rows. */
export interface Queries {
  query(text: string, values?: readonly Value[]): Promise<readonly Row[]>
}

/** The database as a store uses it, whichever driver reaches it. */
export interface Database extends Queries {
  /** Begins, runs the work, commits; rolls back when the work rejects. Every failure comes as the driver gave it. */
  transaction<Result>(work: (queries: Queries) => Promise<Result>): Promise<Result>
  /** Hears of notifications until it is closed or lost, on a connection of its own; undefined where they do not get through. */
  listen(channel: string, events: ListenerEvents): Promise<Listener | undefined>
}
