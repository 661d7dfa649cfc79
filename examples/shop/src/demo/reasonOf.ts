import { codeOf } from '@posthorn/core'
import type { EnvelopeValidationError } from '@posthorn/core'

/** Why a line was rejected: a stable code and a sentence with the place in the line, never with data. */
export function reasonOf(error: unknown): { readonly code: string; readonly message: string } {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown }
  if (codeOf(error) === 'POSTHORN_INVALID_DATA') {
    const { issues } = error as EnvelopeValidationError
    return { code: 'POSTHORN_INVALID_DATA', message: issues.map(inTheLine).join('; ') }
  }
  if (typeof code === 'string' && /^(SHOP|POSTHORN)_/.test(code)) return { code, message: String(message) }
  // An error without a code of ours is a fault of the demo; its message might show data.
  return { code: 'SHOP_INTERNAL', message: 'The line could not be taken' }
}

/** Pointers of the envelope begin at its data, which is what stands in the line. */
function inTheLine(issue: EnvelopeValidationError['issues'][number]): string {
  return `${issue.pointer.replace(/^\/data/, '') || 'the order'} ${issue.message}`
}
