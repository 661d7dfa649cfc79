// Publishes a CloudEvent in binary mode: node publishEvent.mjs HOST PORT EXCHANGE ORDER_ID
import { randomUUID } from 'node:crypto'
import rhea from 'rhea'

const [host = 'localhost', port = '5672', exchange = 'orders', orderId = 'o-1'] = process.argv.slice(2)
const type = 'com.example.shop.order.placed.v1'
const id = randomUUID()
const message = {
  message_id: id,
  durable: true,
  content_type: 'application/json',
  application_properties: {
    cloudEvents_specversion: '1.0',
    cloudEvents_id: id,
    cloudEvents_source: '/amqp10/checkout',
    cloudEvents_type: type,
    cloudEvents_time: new Date().toISOString(),
  },
  body: rhea.message.data_section(Buffer.from(JSON.stringify({ orderId }))),
}

const connection = rhea.connect({ host, port: Number(port), username: 'guest', password: 'guest', reconnect: false })
connection.open_sender(`/exchanges/${exchange}/${type}`)
connection.once('sendable', ({ sender }) => sender?.send(message))
connection.on('accepted', () => {
  console.log(id)
  connection.close()
})
// Released: no group handles this type, so no queue took it.
for (const failure of ['released', 'rejected', 'sender_error', 'connection_error', 'disconnected']) {
  connection.on(failure, () => {
    console.error(`not published: ${failure}`)
    process.exitCode = 1
    connection.close()
  })
}
