import assert from 'node:assert/strict'

/** The problems that a declaration is refused with; fails when it is not refused. */
export function refusalOf(declare: () => unknown): readonly string[] {
  try {
    declare()
  } catch (error) {
    const { code, details } = error as { readonly code: unknown; readonly details: { problems: string[] } }
    assert.equal(code, 'POSTHORN_CONFIGURATION')
    return details.problems
  }
  return assert.fail('it was not refused')
}
