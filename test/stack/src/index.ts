/** Servers for tests: found where there are some, started where there are none, and gone when the test process is. */
export {
  acquireKafka,
  acquirePostgres,
  acquireRabbitMq,
  type Acquired,
  type AcquireKafkaOptions,
  type AcquireOptions,
  type AcquireRabbitMqOptions,
  type Kafka,
  type KafkaControl,
  type KafkaToolOptions,
  type Postgres,
  type RabbitMq,
  type RabbitMqControl,
} from './acquire.js'
export type { NodeControl } from './control.js'
export { variableNames } from './environment.js'
export { type Progress, silent } from './progress.js'
export type { RunResult } from './run.js'
export type { KafkaVersion, RabbitMqVersion } from './targets.js'
