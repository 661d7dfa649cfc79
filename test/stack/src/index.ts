/** Servers for tests: found where there are some, started where there are none, and gone when the test process is. */
export {
  acquireKafka,
  acquirePgBouncer,
  acquirePostgres,
  acquireRabbitMq,
  type AcquireKafkaOptions,
  type AcquireOptions,
  type AcquirePgBouncerOptions,
  type AcquirePostgresOptions,
  type AcquireRabbitMqOptions,
  type Kafka,
  type KafkaControl,
  type KafkaToolOptions,
  type PgBouncer,
  type Postgres,
  type RabbitMq,
  type RabbitMqControl,
} from './acquire.js'
export type { Acquired } from './acquired.js'
export {
  acquirePrometheus,
  acquirePromtool,
  type AcquirePrometheusOptions,
  type Prometheus,
  type Promtool,
} from './acquirePrometheus.js'
export { clientName, type KeyPair, type ServerCertificate, type TestCertificates } from './certificates.js'
export type { NodeControl } from './control.js'
export { variableNames } from './environment.js'
export type { PrometheusSettings, SaslListener, TargetGroup, TlsListener } from './instances.js'
export { kafkaUsers, unsecuredToken, type KafkaListeners, type KafkaUser } from './kafkaSecurity.js'
export { type Progress, silent } from './progress.js'
export type { RunResult } from './run.js'
export type { KafkaVersion, PostgresVersion, RabbitMqVersion } from './targets.js'
