/** Stable codes of what the shop itself refuses; codes of Posthorn stand beside them where they say it already. */
export type ShopErrorCode =
  | 'SHOP_NOT_JSON'
  | 'SHOP_NOT_UTF8'
  | 'SHOP_LINE_TOO_LONG'
  | 'SHOP_UNKNOWN_USER'
  | 'SHOP_USER_LATE'
  | 'SHOP_BAD_USERS_FILE'
  | 'SHOP_BAD_INPUT'
  | 'SHOP_NO_BROKER'
  | 'SHOP_NO_DATABASE'
  | 'SHOP_PORT_TAKEN'
  | 'SHOP_CRASHED'
  | 'SHOP_STALLED'

/** A refusal of the shop. The message names places and rules, never data. */
export class ShopError extends Error {
  readonly code: ShopErrorCode

  /** Whether trying again may help. */
  get retryable(): boolean {
    return this.code === 'SHOP_CRASHED'
  }

  constructor(code: ShopErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ShopError'
    this.code = code
  }
}
