/* The door for services that use Prisma: `@posthorn/postgres/prisma`. */
import type { Queries, Row } from './database.js'
import { noTransaction } from './executors/executor.js'
import type { Executor } from './executors/executor.js'
import { createTransactionProbe } from './executors/transactionProbe.js'

const remedy = 'Give the `tx` that the callback of `prisma.$transaction` gets, while that callback runs.'

/** What is used of the client that an interactive transaction of Prisma gives. */
export interface PrismaTransaction {
  $queryRawUnsafe<Rows = unknown>(query: string, ...values: unknown[]): Promise<Rows>
}

/** What is used of a client of Prisma. */
export interface PrismaDatabase<Tx> {
  $transaction<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result>
}

/** Prisma: "Transaction API error", when the transaction is over already, and "not found". */
const overCodes = new Set(['P2028'])

/**
 * Entries are written with an interactive transaction of Prisma. The client itself is refused, and a `tx` whose callback has
 * ended: the database is asked, with a round trip more for each insert.
 */
export function prismaExecutor<Tx extends PrismaTransaction>(prisma: PrismaDatabase<Tx>): Executor<Tx> {
  const probe = createTransactionProbe(remedy)
  const bind: Executor<Tx>['bind'] = async (tx) => {
    if (typeof tx?.$queryRawUnsafe !== 'function') throw noTransaction('The handle is no client of Prisma', remedy)
    if ((tx as unknown) === prisma) throw noTransaction('The client itself is no transaction', remedy)
    const queries: Queries = { query: (text, values = []) => query(tx, text, values) }
    await probe(tx, queries)
    return queries
  }
  return {
    bind,
    transaction: (work) =>
      prisma.$transaction(async (tx) => {
        const result = await work(tx)
        // A COMMIT of a failed transaction is none, and looks like one; any statement in it is refused, though.
        await (await bind(tx)).query('select 1')
        return result
      }),
  }
}

async function query(tx: PrismaTransaction, text: string, values: readonly unknown[]): Promise<readonly Row[]> {
  try {
    return await tx.$queryRawUnsafe<Row[]>(text, ...values)
  } catch (error) {
    if (overCodes.has(String((error as { code?: unknown } | null)?.code))) {
      throw noTransaction('The transaction has ended', remedy)
    }
    throw sqlStateOf(error)
  }
}

/** What a driver adapter of Prisma 7 tells of the database's error. */
interface AdapterCause {
  readonly originalCode?: unknown
  readonly code?: unknown
  readonly constraint?: { readonly index?: unknown }
}

/** Prisma wraps what the database said: state and constraint are looked for inside, so that the table of errors finds them. */
function sqlStateOf(error: unknown): unknown {
  const { meta, message } = (error ?? {}) as { meta?: Record<string, unknown>; message?: unknown }
  const { cause } = (meta?.['driverAdapterError'] ?? {}) as { cause?: AdapterCause }
  const code = cause?.originalCode ?? cause?.code ?? meta?.['code']
  if (typeof code !== 'string') return error
  const constraint = cause?.constraint?.index
  return Object.assign(new Error(String(message), { cause: error }), { code, constraint })
}
