import type { Logger } from '@posthorn/core/adapter'

/** A warning, as it was logged. */
export interface Warning {
  readonly event: unknown
  readonly text: string
}

/** A logger that remembers its warnings. */
export function createLogCapture(): { readonly logger: Logger; readonly warnings: Warning[] } {
  const warnings: Warning[] = []
  const nothing = (): void => {}
  const logger: Logger = {
    debug: nothing,
    info: nothing,
    error: nothing,
    warn: (facts: object, text?: string) => {
      warnings.push({ event: (facts as { event?: unknown }).event, text: text ?? '' })
    },
    child: () => logger,
  }
  return { logger, warnings }
}
