/*
 * A consumer as a process of its own, for tests that kill or suspend it. Runs on the built packages. It gets its orders as
 * JSON and prints a line for each thing that happens to a message: "handled <id> <redeliveries>", "aborted <id>".
 */
import { writeSync } from 'node:fs'
import { createService, defineEvent, NonRetryableError, on } from '@posthorn/core'
import { createKafka } from '@posthorn/kafka'

const order = JSON.parse(process.argv[2])
const contract = defineEvent({
  type: 'com.example.child.v1',
  destination: order.destination,
  schema: { type: 'object', required: ['kind'], properties: { kind: { type: 'string' } } },
})

/** Not through a stream: a process that is killed in the next moment has said it. */
const say = (line) => void writeSync(1, `${line}\n`)

async function handle({ envelope, data }, { signal }) {
  if (data.kind === 'poison') process.abort()
  if (data.kind === 'bad') throw new NonRetryableError('it is bad')
  say(`began ${envelope.id}`)
  signal.addEventListener('abort', () => say(`aborted ${envelope.id}`))
  if (order.handleMs !== undefined) await new Promise((resolve) => setTimeout(resolve, order.handleMs))
  say(`handled ${envelope.id}`)
}

const service = createService({
  source: '/child',
  transport: createKafka({ brokers: order.brokers, sessionTimeoutMs: 6_000, ...order.kafka }),
  logger: silent(),
})
service.consume('billing', { handlers: [on(contract, handle)], ...order.consumer })
await service.start()
say('started')
process.on('SIGTERM', () => {
  service.stop({ deadlineMs: 10_000 }).then(
    () => say('stopped'),
    (error) => say(`failed ${error}`),
  )
})

function silent() {
  const nothing = () => {}
  const logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }
  return { ...logger, child: () => logger }
}
