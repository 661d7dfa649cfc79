import type { OutboxEntry } from '@posthorn/outbox'
import type { Row } from './database.js'

/** A column that is text and not null. */
export function text(value: unknown): string {
  if (typeof value === 'string') return value
  throw new TypeError(`the database gave ${typeof value} where text was asked for`)
}

/** A column that came as text and holds a number that is exact. */
export function wholeNumberOf(value: unknown): number {
  return Number(value ?? 0)
}

/** A row of the read. */
export function entryOf(row: Row): OutboxEntry {
  const key = row['key']
  return {
    partition: wholeNumberOf(row['partition']),
    id: BigInt(text(row['id'])),
    destination: text(row['destination']),
    message: {
      id: text(row['event_id']),
      type: text(row['type']),
      contentType: text(row['content_type']),
      body: bodyOf(row),
      headers: JSON.parse(text(row['headers'])) as Record<string, string>,
      ...(typeof key === 'string' ? { partitionKey: key } : {}),
    },
    mustRoute: row['must_route'] === 'true',
    createdAt: new Date(wholeNumberOf(row['created_at'])),
    attempts: wholeNumberOf(row['attempts']),
  }
}

function bodyOf({ text: asText, body }: Row): Uint8Array | null {
  return typeof asText === 'string' ? Buffer.from(asText) : bytesOf(body ?? null)
}

/** Bytes as the driver gives them; as PostgreSQL writes them where somebody has changed the driver's parsers. */
function bytesOf(value: unknown): Uint8Array | null {
  if (value === null || value instanceof Uint8Array) return value
  return Buffer.from(text(value).slice(2), 'hex')
}
