import { addressVariables, stackAddress } from '../broker/stackAddress.js'
import { ShopError } from '../shopError.js'
import { openPg } from './pgDatabases.js'
import { openPglite } from './pgliteDatabases.js'
import type { DatabaseName, Databases } from './shopDatabase.js'

/** Which database, and where. */
export interface DatabaseChoice {
  readonly database: DatabaseName
  readonly databaseUrl?: string | undefined
}

/**
 * PGlite in the memory of this process; or PostgreSQL at the option's address, else the environment's, else what `npm run
 * stack` started. Throws `SHOP_NO_DATABASE`, which says what to do.
 */
export async function findDatabases({ database, databaseUrl }: DatabaseChoice): Promise<Databases> {
  if (database === 'pglite') return openPglite()
  const address = databaseUrl || process.env[addressVariables.postgres] || (await stackAddress('postgres'))
  if (!address) {
    throw new ShopError(
      'SHOP_NO_DATABASE',
      'No address of PostgreSQL: start one with `npm run stack -- up postgres`, ' +
        `or give --database-url or the variable ${addressVariables.postgres}`,
    )
  }
  return openPg(address)
}
