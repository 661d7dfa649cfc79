// Prints the next event of a queue, in whichever mode: node readEvent.mjs HOST PORT QUEUE
import rhea from 'rhea'

const [host = 'localhost', port = '5672', queue = 'orders.archive'] = process.argv.slice(2)
const prefix = 'cloudEvents_'

const connection = rhea.connect({ host, port: Number(port), username: 'guest', password: 'guest', reconnect: false })
const receiver = connection.open_receiver({ source: `/queues/${queue}`, credit_window: 0, autoaccept: false })
receiver.add_credit(1)
connection.on('message', ({ message, delivery }) => {
  const data = JSON.parse(message?.body.content.toString('utf8'))
  if (message?.content_type?.startsWith('application/cloudevents+json')) console.log(JSON.stringify(data))
  else {
    const attributes = Object.entries(message?.application_properties ?? {})
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value])
    console.log(JSON.stringify({ ...Object.fromEntries(attributes), datacontenttype: message?.content_type, data }))
  }
  delivery?.accept()
  receiver.close()
})
connection.on('receiver_close', () => connection.close())
