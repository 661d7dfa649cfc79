/*
 * A consumer as a process of its own, for tests that kill it. Runs on the built packages. It gets its orders as JSON and
 * prints a line for each message that it handled: "handled <id> <redeliveries>".
 */
import { writeSync } from 'node:fs'
import { createService, defineEvent, on } from '@posthorn/core'
import { createRabbitMq } from '@posthorn/rabbitmq'

const order = JSON.parse(process.argv[2])
const contract = defineEvent({
  type: 'com.example.child.v1',
  destination: order.destination,
  schema: { type: 'object', required: ['kind'], properties: { kind: { type: 'string' }, filler: { type: 'string' } } },
})

/** Not through a stream: a process that is killed in the next moment has said it. */
const say = (line) => void writeSync(1, `${line}\n`)

async function handle({ envelope, data }, { headers }) {
  if (data.kind === 'poison') process.kill(process.pid, 'SIGKILL')
  if (order.blockMs !== undefined) block(order.blockMs)
  if (order.handleMs !== undefined) await new Promise((resolve) => setTimeout(resolve, order.handleMs))
  say(`handled ${envelope.id} ${headers['x-delivery-count'] ?? 0}`)
}

function block(ms) {
  const end = performance.now() + ms
  while (performance.now() < end);
}

const service = createService({
  source: '/child',
  transport: createRabbitMq({ urls: [order.url], ...order.rabbitMq }),
  ...(order.logs ? {} : { logger: silent() }),
})
service.consume('billing', { handlers: [on(contract, handle)], ...order.consumer })
await service.start()
say('started')
process.on('SIGTERM', () => {
  service.stop({ deadlineMs: order.stopMs ?? 5_000 }).then(
    () => say('stopped'),
    (error) => say(`failed ${error}`),
  )
})

function silent() {
  const nothing = () => {}
  const logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }
  return { ...logger, child: () => logger }
}
