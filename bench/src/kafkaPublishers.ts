import { randomUUID } from 'node:crypto'
import type { Kafka } from 'kafkajs'
import { consumerProcess } from './consumerProcess.js'
import { createTopics, deleteTopics } from './kafkaTopics.js'
import type { Contender } from './measure.js'

export interface PublishersParts {
  readonly partitions: number
  /** Messages of one `send` by hand; `drivers` compares ours on the second driver with ours on the first. */
  readonly batch: number | 'drivers'
  readonly warmUpCount: number
}

/** Two publishers on topics of their own, each in a process of its own for each round; see `kafkaPublisher.ts`. */
export async function openPublishers(
  client: Kafka,
  { partitions, batch, warmUpCount }: PublishersParts,
): Promise<{ ours: Contender; bare: Contender }> {
  const [mine, theirs] = [`bench-${randomUUID()}`, `bench-${randomUUID()}`]
  await createTopics(client, [mine, theirs], partitions)
  const publisher = (name: string, who: string, topic: string): Contender =>
    consumerProcess({
      name,
      program: 'kafkaPublisher.js',
      args: [who, topic],
      warmUpCount,
      prepare: () => Promise.resolve(),
      close: () => deleteTopics(client, [topic]),
    })
  if (batch === 'drivers') {
    return {
      ours: publisher('posthorn publish on @platformatic/kafka', 'platformatic', mine),
      bare: publisher('posthorn publish on kafkajs', 'ours', theirs),
    }
  }
  return {
    ours: publisher('posthorn publish, window 2000', 'ours', mine),
    bare: publisher(`kafkajs + ajv, send of ${batch}`, `${batch}`, theirs),
  }
}
