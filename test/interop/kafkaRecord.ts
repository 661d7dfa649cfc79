/** A header of a record; null is one without a value. */
export type Header = readonly [name: string, value: string | null]

/** A record as clients of others write it. */
export interface KafkaRecord {
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly Header[]
}

/** The same as they read it. */
export interface PlacedRecord extends KafkaRecord {
  readonly partition: number
  readonly offset: number
}

/** A client that is not ours, as the tests use it. */
export interface ForeignClient {
  /** Resolves when the broker has confirmed all of them. */
  write(topic: string, ...records: readonly KafkaRecord[]): Promise<void>
  /** The first so many records of a topic, whatever their partition, ordered by partition and offset. */
  read(topic: string, count: number): Promise<readonly PlacedRecord[]>
}

/** By partition and offset. */
export function inOrder(records: readonly PlacedRecord[]): readonly PlacedRecord[] {
  return records.toSorted((a, b) => a.partition - b.partition || a.offset - b.offset)
}

export function valueOf({ headers }: KafkaRecord, name: string): string | null | undefined {
  return headers.find(([given]) => given === name)?.[1]
}

/** A record whose headers are the attributes: CloudEvents’ binary mode. */
export function binaryRecord(
  attributes: Readonly<Record<string, string>>,
  record: Pick<KafkaRecord, 'key' | 'value'>,
): KafkaRecord {
  const named = Object.entries(attributes).map(([name, value]): Header => [`ce_${name}`, value])
  return { ...record, headers: [['content-type', 'application/json'], ...named] }
}

/** A record whose value is the whole event: CloudEvents’ structured mode. */
export function structuredRecord(event: object, key: string | null): KafkaRecord {
  return { key, value: JSON.stringify(event), headers: [['content-type', 'application/cloudevents+json']] }
}
