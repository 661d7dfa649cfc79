import type { KafkaOptions } from '@posthorn/kafka'

const variable = 'POSTHORN_KAFKA_DRIVER'

/** The driver that `--driver` names, in this process and in those that it starts. */
export function kafkaDriver(): Pick<KafkaOptions, 'driver'> {
  const driver = process.env[variable]
  return driver === undefined ? {} : { driver: driver as 'platformatic' }
}

export function chooseKafkaDriver(driver: string): void {
  process.env[variable] = driver
}
