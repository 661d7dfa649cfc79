/*
 * A consumer whose handler always fails. It kills itself in the moment in which its dead letter is confirmed, before the
 * original is acknowledged; or, told not to, ends when nothing is left. Runs on the built packages.
 */
import { createService, defineEvent, on } from '@posthorn/core'
import { createRabbitMq } from '@posthorn/rabbitmq'

const { url, destination, kills } = JSON.parse(process.argv[2])
const contract = defineEvent({
  type: 'com.example.child.v1',
  destination,
  schema: { type: 'object', required: ['kind'], properties: { kind: { type: 'string' }, filler: { type: 'string' } } },
})
const transport = createRabbitMq({ urls: [url] })
const service = createService({
  source: '/child',
  transport: {
    ...transport,
    async send(target, ...rest) {
      const receipt = await transport.send(target, ...rest)
      if (kills && 'dead' in target) process.kill(process.pid, 'SIGKILL')
      return receipt
    },
  },
  logger: silent(),
})
service.consume('billing', {
  handlers: [on(contract, () => Promise.reject(new Error('never')))],
  retry: { delaysMs: [] },
})
await service.start()
// Long enough for what waits to be delivered; a killed one does not get here.
await new Promise((resolve) => setTimeout(resolve, kills ? 30_000 : 1_000))
await service.stop()

function silent() {
  const nothing = () => {}
  const logger = { debug: nothing, info: nothing, warn: nothing, error: nothing, child: () => logger }
  return logger
}
