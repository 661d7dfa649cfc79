import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormatsModule from 'ajv-formats'
import { orderSchema } from './orderEvent.js'
import type { Order } from './orderEvent.js'

// ajv-formats is CommonJS: its types name a default export that the module object itself is at run time.
const addFormats = addFormatsModule as unknown as typeof addFormatsModule.default

/** What somebody writes by hand with ajv: check and encode on one side, decode and check on the other. */
export interface BareWork {
  encode(order: Order): Buffer
  decode(body: Buffer): Order
}

export function createBareWork(): BareWork {
  const ajv = new Ajv2020()
  addFormats(ajv)
  const validate = ajv.compile<Order>(orderSchema)
  return {
    encode(order) {
      if (!validate(order)) throw new Error('invalid')
      return Buffer.from(JSON.stringify(order))
    },
    decode(body) {
      const order: unknown = JSON.parse(body.toString())
      if (!validate(order)) throw new Error('invalid')
      return order
    },
  }
}
