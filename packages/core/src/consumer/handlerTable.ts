import type { DataValidator } from '../envelope/contractRegistry.js'
import type { HandlerRegistration } from './handler.js'
import type { Invoke } from './middleware.js'

/** A registration, ready to run. */
export interface HandlerEntry {
  readonly registration: HandlerRegistration
  readonly invoke: Invoke
  readonly validate: DataValidator
}

/** Handlers by message type. */
export type HandlerTable = ReadonlyMap<string, HandlerEntry>
