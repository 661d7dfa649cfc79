import type { GetMessage } from 'amqplib'

const prefix = 'cloudEvents_'

/** A message of RabbitMQ as the package's binding for HTTP takes it: `HTTP.toEvent(toHttp(message))`. */
export function toHttp({ content, properties }: GetMessage): { headers: Record<string, string>; body: string } {
  const headers: Record<string, string> = { 'content-type': String(properties.contentType).toLowerCase() }
  for (const [name, value] of Object.entries(properties.headers ?? {})) {
    if (name.startsWith(prefix)) headers[`ce-${name.slice(prefix.length)}`] = String(value)
  }
  return { headers, body: content.toString('utf8') }
}
