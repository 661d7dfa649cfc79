/* The least rights of each role; `s` is the schema's name, quoted, and the role's is too. */

type Grants = (role: string) => readonly string[]

export const grantStatements = (
  s: string,
): { readonly writer: Grants; readonly relay: Grants; readonly inbox: Grants } => {
  const everybody = (role: string): readonly string[] => [
    `grant usage on schema ${s} to ${role}`,
    // To tell a schema of another version, and to find the partition of a key.
    `grant select on ${s}.migration, ${s}.setting to ${role}`,
  ]
  return {
    writer: (role) => [
      `-- A service writes its messages, and cannot read or take back those of others.`,
      ...everybody(role),
      `grant insert on ${s}.outbox, ${s}.outbox_scheduled to ${role}`,
    ],
    relay: (role) => [
      `-- A relay reads and deletes. It cannot write a message of its own: what is due is moved by a function.`,
      ...everybody(role),
      `grant select, delete on ${s}.outbox to ${role}`,
      `grant select on ${s}.outbox_scheduled to ${role}`,
      `grant execute on function ${s}.outbox_release_due(smallint[], bigint[], integer) to ${role}`,
      `grant execute on function ${s}.outbox_discard(smallint, text) to ${role}`,
      `grant select, update on ${s}.outbox_lease to ${role}`,
      `grant select, insert, update, delete on ${s}.outbox_relay, ${s}.outbox_key to ${role}`,
    ],
    inbox: (role) => [
      `-- A consumer remembers what it has handled, and cannot forget it, except by the functions that keep the inbox small.`,
      ...everybody(role),
      `grant select, insert on ${s}.inbox to ${role}`,
      `grant select on ${s}.inbox_seal to ${role}`,
      // To lengthen it; to shorten it is for the owner.
      `grant select, insert on ${s}.inbox_retention to ${role}`,
      `grant execute on function ${s}.inbox_remember(jsonb, double precision) to ${role}`,
      `grant execute on function ${s}.inbox_maintain(double precision, out integer, out integer) to ${role}`,
      `grant execute on function ${s}.inbox_forget(double precision, integer) to ${role}`,
    ],
  }
}
