import { PGlite } from '@electric-sql/pglite'
import { storeConformanceCases } from '@posthorn/outbox/conformance'
import { afterAll, describe, test } from 'vitest'
import { pgliteSetup } from './support/conformanceSetup.js'

const pglite = new PGlite()
afterAll(() => pglite.close())

describe('the store on PGlite', () => {
  for (const { promise, title, run } of storeConformanceCases(pgliteSetup(pglite))) test(`${promise}: ${title}`, run)
})
