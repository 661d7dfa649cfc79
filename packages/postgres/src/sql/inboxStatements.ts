/* What consumers write, with the handler's transaction, and what keeps the inbox small. */

/** The statements of the inbox. */
export interface InboxStatements {
  readonly keep: string
  readonly remember: string
  readonly maintain: string
  readonly forget: string
}

export const inboxStatements = (s: string): InboxStatements => ({
  /*
   * $1 milliseconds of retention. In the transaction of whoever asks, which may be rolled back: so it says whether another one has
   * noted it, which is committed then.
   */
  keep: `
with noted as (
  insert into ${s}.inbox_retention (retention_ms)
  select $1::float8 where not exists (select from ${s}.inbox_retention where retention_ms >= $1::float8)
)
select exists (
  select from ${s}.inbox_retention where retention_ms >= $1::float8 and xid <> pg_current_xact_id())::text as kept`,

  /* $1 keys as JSON, $2 milliseconds of retention. */
  remember: `
select t.verdict from ${s}.inbox_remember($1::jsonb, $2::float8) with ordinality as t(verdict, place) order by t.place`,

  maintain: `select created::text, dropped::text from ${s}.inbox_maintain($1::float8)`,

  forget: `select ${s}.inbox_forget($1::float8, $2::integer)::text as count`,
})
