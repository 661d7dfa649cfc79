export { createRabbitMq } from './rabbitMq.js'
export type { RabbitMqOptions } from './options.js'
