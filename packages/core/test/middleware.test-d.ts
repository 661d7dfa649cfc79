/* Compiled by `npx tsc -p packages/core/test`; nothing runs. An error that does not come is an error itself. */
import { complete, defineEvent, discard, handledAs, on, onBatch } from '../src/index.js'
import type { Middleware } from '../src/index.js'

export const passes: Middleware = async (_call, next) => next()
export const answers: Middleware = async (call) => handledAs(call, complete())

// @ts-expect-error forgetting to return what `next` gives does not compile
export const forgets: Middleware = async (_call, next) => {
  await next()
}

// @ts-expect-error nor does returning something of one's own
export const invents: Middleware = async () => ({ outcomes: [complete()] })

// @ts-expect-error nor an outcome in its place
export const confuses: Middleware = async () => complete()

const placed = defineEvent({
  type: 'com.example.placed.v1',
  destination: 'orders',
  schema: {
    type: 'object',
    required: ['orderId'],
    properties: { orderId: { type: 'string' }, amount: { type: 'integer' } },
    additionalProperties: false,
  },
})

export const typed: unknown = [
  on(placed, ({ data }) => {
    const id: string = data.orderId
    const amount: number | undefined = data.amount
    return id === '' || amount === 0 ? discard('empty') : undefined
  }),
  // @ts-expect-error a property that the schema does not name
  on(placed, ({ data }) => void data.unknown),
  // @ts-expect-error a result that is no outcome
  on(placed, () => 42),
  // @ts-expect-error a result that is no outcome, in a promise
  on(placed, async () => true),
  onBatch(placed, (items) => items.map(({ data }) => (data.orderId === '' ? discard('empty') : undefined))),
  // @ts-expect-error one outcome for a list
  onBatch(placed, () => complete()),
  onBatch(placed, async (items, context) => {
    await context.publish(placed, { orderId: 'x' }, { causedBy: items[0]! })
    // @ts-expect-error a batch has many causes: one must be named
    await context.publish(placed, { orderId: 'x' })
  }),
  on(placed, async (_message, context) => {
    await context.publish(placed, { orderId: 'x' }, { step: 'again' })
    // @ts-expect-error data of another shape
    await context.publish(placed, { orderId: 7 })
    // @ts-expect-error an option that does not exist
    await context.publish(placed, { orderId: 'x' }, { corelationId: 'x' })
  }),
]
