/** Broker addresses from the environment, as `npm run stack -- env` prints them. */
export function addressesFrom(variable: 'POSTHORN_RABBITMQ_URL' | 'POSTHORN_KAFKA_BROKERS'): string[] {
  const value = process.env[variable]
  if (value !== undefined && value !== '') return value.split(',')
  const target = variable === 'POSTHORN_RABBITMQ_URL' ? 'rabbitmq' : 'kafka'
  throw new Error(
    `${variable} is not set. Start a broker and set it: npm run stack -- up ${target}; eval "$(npm run -s stack -- env)"`,
  )
}
