// A process of its own, on the built packages, that kills itself at the worst moment of one message.
import { createService, defineEvent, on } from '@posthorn/core'
import { createRabbitMq } from '@posthorn/rabbitmq'

const { POSTHORN_TEST_URL: url, POSTHORN_TEST_DESTINATION: destination, POSTHORN_TEST_CRASH: crash } = process.env

const die = () => process.kill(process.pid, 'SIGKILL')

/** Dies where the original of a confirmed copy would be completed. */
function dyingAtCompletion(transport) {
  return {
    ...transport,
    subscribe: (subscription, onDeliveries, options) =>
      transport.subscribe(
        subscription,
        (deliveries) => onDeliveries(deliveries.map((delivery) => ({ ...delivery, complete: die }))),
        options,
      ),
  }
}

const transport = createRabbitMq({ urls: [url] })
const service = createService({
  source: '/crashing',
  transport: crash === 'inHandler' ? transport : dyingAtCompletion(transport),
})
const contract = defineEvent({
  type: 'com.example.placed.v1',
  destination,
  schema: { type: 'object', required: ['orderId'], properties: { orderId: { type: 'string' } } },
})
service.consume('billing', {
  handlers: [
    on(contract, () => {
      if (crash === 'inHandler') die()
      throw new Error('never works')
    }),
  ],
  retry: { delaysMs: crash === 'afterDeadLetter' ? [] : [300] },
})
await service.start()
