import type { BackoffOptions } from '@posthorn/core/adapter'
import { isRefusedLogin } from './driver/driverError.js'

/** Whoever has to change a password or a certificate takes longer than a leader that moves. */
const refusedBackoff: BackoffOptions = { firstMs: 1_000, maxMs: 10_000 }

/** The waits after an error: the usual ones, or long ones, since a broker that refuses us must not be stormed. */
export function backoffFor(error: unknown, usual: BackoffOptions): BackoffOptions {
  return isRefusedLogin(error) ? refusedBackoff : usual
}
