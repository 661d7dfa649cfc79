import { afterAll, afterEach, beforeAll } from 'vitest'
import { acquireKafka } from '../../../../test/stack/src/index.js'
import type { AcquireKafkaOptions, Kafka, KafkaControl } from '../../../../test/stack/src/index.js'
import { brokersFromEnvironment, createBench } from './broker.js'
import type { Bench } from './broker.js'

/** The cluster that the test runner started, and that other files use too; what a test opens is closed after it. */
export function sharedKafka(): Bench {
  return closedAfterEach(createBench(brokersFromEnvironment))
}

/** A cluster of the file's own, to be killed and set up in another way. */
export interface OwnKafka {
  readonly bench: Bench
  readonly brokers: string[]
  readonly control: KafkaControl
}

/** Starts it before the first test of the file and stops it after the last one. */
export function ownKafka(wanted: Omit<AcquireKafkaOptions, 'fresh'> = {}): OwnKafka {
  let acquired: Kafka | undefined
  const started = (): Kafka => {
    if (acquired === undefined) throw new Error('it is started before the first test, and not before')
    return acquired
  }
  beforeAll(async () => {
    acquired = await acquireKafka({ ...wanted, fresh: true })
  })
  afterAll(() => acquired?.release())
  return {
    bench: closedAfterEach(createBench(() => started().brokers)),
    get brokers() {
      return started().brokers
    },
    get control() {
      const { control } = started()
      if (control === undefined) throw new Error('these tests disturb their cluster: they need one of their own')
      return control
    },
  }
}

function closedAfterEach(bench: Bench): Bench {
  afterEach(() => bench.close())
  return bench
}
