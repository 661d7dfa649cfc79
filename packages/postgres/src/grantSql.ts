import { optionProblems, refuseProblems } from '@posthorn/core/adapter'
import type { OptionRule } from '@posthorn/core/adapter'
import { isSchemaName, quoted } from './options.js'
import { grantStatements } from './sql/grantStatements.js'

/** Which role does what. A role may be named more than once; what is left out is granted to nobody. */
export interface GrantOptions {
  /** The schema that `migrate` was given. @default 'posthorn' */
  readonly schema?: string
  /** Services that publish: they insert, and may neither read nor delete. @default none */
  readonly writer?: string
  /** Relays: they read and delete, and may insert nothing. @default none */
  readonly relay?: string
  /** Consumers with an inbox: they insert into the inbox, and keep it small. @default none */
  readonly inbox?: string
}

const isRole: OptionRule = (value, path) =>
  typeof value === 'string' && /^[^"\u0000]{1,63}$/.test(value) ? undefined : `${path} must be the name of a role`

/** The least rights of each role, as SQL for whoever owns the schema. The roles must exist. */
export function grantSql(options: GrantOptions): string {
  const rules = { schema: isSchemaName, writer: isRole, relay: isRole, inbox: isRole }
  refuseProblems('grantSql', optionProblems('options', options, rules))
  const { schema = 'posthorn', writer, relay, inbox } = options
  const statements = grantStatements(quoted(schema))
  const granted = [
    ...(writer === undefined ? [] : statements.writer(quoted(writer))),
    ...(relay === undefined ? [] : statements.relay(quoted(relay))),
    ...(inbox === undefined ? [] : statements.inbox(quoted(inbox))),
  ]
  return granted.map((statement) => `${statement};\n`).join('')
}
