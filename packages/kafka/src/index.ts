/* The Kafka adapter: `createKafka` makes a transport for `createService` of `@posthorn/core`. */
export { createKafka } from './kafka.js'
export type { KafkaOptions, KafkaSasl, KafkaTls } from './options.js'
