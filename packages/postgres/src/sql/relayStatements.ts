/*
 * What relays ask, each one statement and so one short transaction. Lists of numbers come as text, '1,2,3', which every
 * driver passes on alike; numbers go out as text, so that none passes through a double. Times are the database's.
 */

/**
 * The body as text where it begins with a character of ASCII, as JSON does: decoders drop a byte order mark, and one is
 * part of the message.
 */
const textOrBytes = `case when f.body < '\\x80' then convert_from(f.body, 'UTF8') end as text,
  case when f.body >= '\\x80' then f.body end as body`

/** The statements of the relay's side. */
export interface RelayStatements {
  readonly renew: string
  readonly giveBack: string
  readonly leave: string
  readonly read: string
  /** The same where a body is no text in UTF-8. */
  readonly readBytes: string
  readonly remove: string
  readonly fail: string
  readonly releaseDue: string
  readonly stats: string
  readonly parkedKeys: string
  readonly retry: string
  readonly skip: string
  readonly discard: string
}

const smallints = (parameter: string): string => `string_to_array(${parameter}, ',')::smallint[]`
const bigints = (parameter: string): string => `string_to_array(${parameter}, ',')::bigint[]`
/** As a double, which may be a millisecond early: `extract` gives a numeric, whose arithmetic every row would pay for. */
const milliseconds = (time: string): string => `floor(date_part('epoch', ${time}) * 1000)::bigint::text`

export const relayStatements = (s: string): RelayStatements => ({
  renew: renew(s),
  ...partitions(s),
  read: read(s, textOrBytes),
  readBytes: read(s, 'f.body'),
  remove: remove(s),
  fail: fail(s),
  stats: stats(s),
  ...operating(s),
})

/*
 * $1 relay, $2 milliseconds. Rows that somebody else holds are skipped, never waited for: whoever holds one is about to take it.
 * Living relays are counted in the state before this statement, so this one is added.
 */
const renew = (s: string): string => `
with me as (
  insert into ${s}.outbox_relay as r (relay, expires_at) values ($1, now() + $2::float8 * interval '1 millisecond')
  on conflict (relay) do update set expires_at = excluded.expires_at
), dead as (
  delete from ${s}.outbox_relay where relay in (
    select relay from ${s}.outbox_relay where expires_at <= now() and relay <> $1 for update skip locked)
), living as (
  select 1 + count(*) as relays from ${s}.outbox_relay where expires_at > now() and relay <> $1
), share as (
  select ceil((select count(*) from ${s}.outbox_lease)::numeric / relays)::bigint as partitions, relays from living
), kept as (
  update ${s}.outbox_lease set expires_at = now() + $2::float8 * interval '1 millisecond'
  where partition in (
    select partition from ${s}.outbox_lease where owner = $1 and expires_at > now() for update skip locked)
  returning partition, fence
), free as (
  select partition from ${s}.outbox_lease where owner is null or expires_at <= now()
  order by partition
  limit greatest((select partitions from share) - (select count(*) from kept), 0)
  for update skip locked
), taken as (
  update ${s}.outbox_lease
  set owner = $1, fence = fence + 1, expires_at = now() + $2::float8 * interval '1 millisecond'
  where partition in (select partition from free)
  returning partition, fence
), owned as (
  select * from kept union all select * from taken
)
select share.partitions::text as share, share.relays::text as relays,
  (select string_agg(partition::text, ',' order by partition) from owned) as partitions,
  (select string_agg(fence::text, ',' order by partition) from owned) as fences,
  (select ceil(extract(epoch from min(next.due_at) - now()) * 1000)::text
   from owned cross join lateral (
     select due_at from ${s}.outbox_scheduled w where w.partition = owned.partition order by due_at limit 1
   ) next) as next_due_ms
from share`

/* Of what is asked, what the relay still owns: $1 relay, $2 partitions, $3 fences. */
const partitions = (s: string): Pick<RelayStatements, 'giveBack' | 'leave' | 'releaseDue'> => ({
  giveBack: `
update ${s}.outbox_lease l set owner = null, expires_at = null
from unnest(${smallints('$2')}, ${bigints('$3')}) as asked(partition, fence)
where l.partition = asked.partition and l.fence = asked.fence and l.owner = $1`,

  leave: `
with gone as (delete from ${s}.outbox_relay where relay = $1)
update ${s}.outbox_lease set owner = null, expires_at = null where owner = $1`,

  releaseDue: `select ${s}.outbox_release_due(${smallints('$1')}, ${bigints('$2')}, $3::integer)::text as count`,
})

/*
 * $1 relay, $2 partitions, $3 fences, $4 ids to leave out, $5 keys to leave out, as JSON pairs, $6 most of a partition, $7 most
 * in all, $8 bytes. Each partition is read along its index and no further than needed: they come one after the other, in a new
 * order each time, so that none is always the last. What is left out is looked up in hashes, built once ("not in" is what
 * PostgreSQL hashes). The planner must expect many rows, or it fetches and sorts a whole partition for the first few (tried: with
 * "partition = …" before the first ANALYZE, and with "<> all" of many ids): so a partition is a range of pairs, which it takes
 * for a large part of the table. What has to be counted about bytes is the length, which needs no body to be read. Who asks
 * sorts: here it would cost a fifth of the statement. Failures are rare, and looked up only when there are any. Bodies that are
 * text come as text: as bytes they would travel in hexadecimal digits, which costs both ends a tenth of everything.
 */
const read = (s: string, body: string): string => `
with owned as materialized (
  select l.partition from unnest(${smallints('$2')}, ${bigints('$3')}) as asked(partition, fence)
  join ${s}.outbox_lease l on l.partition = asked.partition and l.fence = asked.fence
  where l.owner = $1 and l.expires_at > now()
)
select f.partition::text, f.id::text, f.event_id, f.destination, f.key, f.type, f.content_type, ${body},
  f.headers::text as headers, f.must_route::text as must_route, ${milliseconds('f.created_at')} as created_at,
  case when exists (select 1 from ${s}.outbox_key) then (
    select k.attempts::text from ${s}.outbox_key k
    where k.partition = f.partition and k.key = coalesce(f.key, f.event_id) and k.entry_id = f.id
  ) end as attempts
from (
  select e.*, sum(e.size) over (rows unbounded preceding) - e.size as bytes_before
  from (select partition from owned order by random()) o
  cross join lateral (
    select x.*, coalesce(octet_length(x.body), 0) as size
    from ${s}.outbox x
    where (x.partition, x.id) >= (o.partition, 0) and (x.partition, x.id) < ((o.partition + 1)::smallint, 0)
      and x.id not in (select unnest(${bigints('$4')}))
      and (x.partition, coalesce(x.key, x.event_id)) not in (
        select k.partition, k.key from ${s}.outbox_key k where k.parked_at is not null or k.retry_at > now()
        union all
        select (pair ->> 0)::smallint, pair ->> 1 from jsonb_array_elements($5::jsonb) pair)
    order by x.partition, x.id limit $6::integer
  ) e
  limit $7::integer
) f
where f.bytes_before < $8::bigint`

/* $1 relay, $2 partitions, $3 fences, $4 ids. What had failed before and is done now has nothing to remember. */
const remove = (s: string): string => `
with asked as (
  select asked.partition, asked.id
  from unnest(${smallints('$2')}, ${bigints('$3')}, ${bigints('$4')}) as asked(partition, fence, id)
  join ${s}.outbox_lease l on l.partition = asked.partition and l.fence = asked.fence
  where l.owner = $1 and l.expires_at > now()
), gone as (
  delete from ${s}.outbox o using asked where o.partition = asked.partition and o.id = asked.id
  returning o.partition, o.id
), healed as (
  delete from ${s}.outbox_key k using gone
  where exists (select 1 from ${s}.outbox_key) and k.partition = gone.partition and k.entry_id = gone.id
)
select count(*)::text as count from gone`

/*
 * $1 relay, $2 partition, $3 fence, $4 id, $5 code, $6 message, $7 attempts at most, $8 milliseconds until the next. Of the entries
 * of a key the first that fails is counted: were it replaced by each that fails behind it, none would use its attempts up. What is
 * parked stays so until somebody decides.
 */
const fail = (s: string): string => `
with asked as (
  select o.partition, coalesce(o.key, o.event_id) as key, o.id, o.event_id, o.destination, o.type
  from ${s}.outbox o
  join ${s}.outbox_lease l on l.partition = o.partition and l.owner = $1 and l.fence = $3::bigint and l.expires_at > now()
  where o.partition = $2::smallint and o.id = $4::bigint
), failed as (
  insert into ${s}.outbox_key as k (partition, key, entry_id, event_id, destination, type, attempts, failure_code,
    failure_message, failed_at, retry_at, parked_at)
  select partition, key, id, event_id, destination, type, 1, $5, $6, now(),
    now() + $8::float8 * interval '1 millisecond', case when $7::integer <= 1 then now() end
  from asked
  on conflict (partition, key) do update set
    entry_id = excluded.entry_id, event_id = excluded.event_id, destination = excluded.destination, type = excluded.type,
    attempts = case when k.entry_id = excluded.entry_id then k.attempts + 1 else 1 end,
    failure_code = excluded.failure_code, failure_message = excluded.failure_message, failed_at = excluded.failed_at,
    retry_at = excluded.retry_at,
    parked_at = case
      when k.parked_at is not null then k.parked_at
      when (case when k.entry_id = excluded.entry_id then k.attempts + 1 else 1 end) >= $7::integer then now()
    end
  where k.entry_id = excluded.entry_id or k.parked_at is null and (k.entry_id > excluded.entry_id
    or not exists (select from ${s}.outbox o where o.partition = k.partition and o.id = k.entry_id))
  returning k.attempts, k.parked_at
)
select attempts::text as attempts, (parked_at is not null)::text as parked from failed
union all
select '0', (k.parked_at is not null)::text from asked a
join ${s}.outbox_key k on k.partition = a.partition and k.key = a.key where not exists (select from failed)`

/*
 * $1 at most so many are counted. The first row of each partition is about its oldest, and found at once; the oldest of all
 * would need an index that every insert pays for. Scheduled messages count from the time at which they fell due.
 */
const stats = (s: string): string => `
select
  pg_stat_get_dead_tuples('${s}.outbox'::regclass)::text as dead_rows,
  (select coalesce(max(age(held.xid)), 0) from (
    select unnest(array[backend_xid, backend_xmin]) from pg_stat_activity
    where pid <> pg_backend_pid() and (datid is null or datname = current_database())
    union all select transaction from pg_prepared_xacts where database = current_database()
    union all select xmin from pg_replication_slots) held(xid))::text as horizon_age,
  (select count(*) from (select 1 from ${s}.outbox limit $1::integer) o)::text as waiting,
  (select count(*) from (select 1 from ${s}.outbox_scheduled limit $1::integer) w)::text as scheduled,
  (select count(*) from ${s}.outbox_key where parked_at is not null)::text as parked_keys,
  coalesce(floor(extract(epoch from now() - least(
    (select min(first.created_at) from ${s}.outbox_lease l cross join lateral (
      select o.created_at from ${s}.outbox o where o.partition = l.partition order by o.id limit 1) first),
    (select min(first.due_at) from ${s}.outbox_lease l cross join lateral (
      select w.due_at from ${s}.outbox_scheduled w
      where w.partition = l.partition and w.due_at <= now() order by w.due_at limit 1) first)
  )) * 1000), 0)::text as oldest_ms`

/* $1 partition, $2 key. A decision is one statement: the key is parked no more, and its entries are gone, or neither. */
const operating = (s: string): Pick<RelayStatements, 'parkedKeys' | 'retry' | 'skip' | 'discard'> => {
  const decided = `decided as (
  delete from ${s}.outbox_key where partition = $1::smallint and key = $2 and parked_at is not null
  returning partition, key, entry_id
)`
  const answer = `select (select count(*) from decided)::text as decided, (select count(*) from gone)::text as count`
  return {
    parkedKeys: `
select partition::text, key, entry_id::text, event_id, destination, type, attempts::text, failure_code, failure_message,
  ${milliseconds('parked_at')} as parked_at
from ${s}.outbox_key where parked_at is not null order by parked_at, partition, key limit $1::integer`,
    retry: `with ${decided} select count(*)::text as decided, '0' as count from decided`,
    skip: `
with ${decided}, gone as (
  delete from ${s}.outbox o using decided d where o.partition = d.partition and o.id = d.entry_id returning 1
) ${answer}`,
    discard: `
select (count is not null)::integer::text as decided, coalesce(count, 0)::text as count
from ${s}.outbox_discard($1::smallint, $2) as discarded(count)`,
  }
}
