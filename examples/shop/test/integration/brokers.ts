/** The brokers that the shop must run on, with the variable that names each and the option that passes it on. */
export const brokers = [
  { transport: 'rabbitmq', variable: 'POSTHORN_RABBITMQ_URL', option: '--url' },
  { transport: 'kafka', variable: 'POSTHORN_KAFKA_BROKERS', option: '--brokers' },
] as const

export type BrokerUnderTest = (typeof brokers)[number]

/** The options that reach a broker; an absent variable is a failure, never a reason to skip. */
export function brokerArgs({ transport, variable, option }: BrokerUnderTest): string[] {
  const address = process.env[variable]
  if (!address) throw new Error(`${variable} is not set; npm test sets it, or: eval "$(npm run -s stack -- env)"`)
  return ['--transport', transport, option, address]
}
