/* The inbox: which messages a consumer has seen. `s` is the schema's name, quoted. */

export const inboxTables = (s: string): readonly string[] => [
  `-- Partitioned by the day in which a message was received, so that what is old goes by dropping tables. The day is in the key
-- because PostgreSQL wants it there; inbox_remember sees to it that consumer, source and id are unique over all days.
create table ${s}.inbox (
  consumer text collate "C" not null,
  source text collate "C" not null,
  id text collate "C" not null,
  day date not null,
  received_at timestamptz not null default now(),
  primary key (consumer, source, id, day)
) partition by range (day)`,

  `-- Days for which there is no partition yet, because nobody has maintained the inbox. Usually empty.
create table ${s}.inbox_default partition of ${s}.inbox default`,

  `-- Up to which day nothing is added any more by transactions from this one on.
create table ${s}.inbox_seal (
  through date primary key,
  xid xid8 not null
)`,
  `-- How long messages are remembered: the longest that any service of this schema is configured for, or the upkeep of one would
-- drop what another has to know. Rows are added and never changed, so that no transaction waits for another.
create table ${s}.inbox_retention (
  retention_ms double precision not null,
  xid xid8 not null default pg_current_xact_id()
)`,
  `-- The days before there was an inbox.
insert into ${s}.inbox_seal (through, xid) values ((now() at time zone 'UTC')::date - 1, '1')`,
]

/**
 * Of two transactions with one message, one must be told `new` and the other wait for it, or see it. In one day the primary key
 * does that. Looking into another day does not: a transaction that is still open there cannot be seen. So a row is inserted
 * into each day that such a transaction may have written into, and the primary key of that day decides.
 *
 * Which days those are does not depend on how long transactions last. Whoever writes has a transaction id before it reads the
 * clock. A seal of a day is written by a transaction whose id was assigned an hour after that day or later, so it is higher
 * than those of all that wrote into the day (the hour is for clocks that are set back). Once every id up to that of the seal is
 * below `pg_snapshot_xmin` of the snapshot, all that was ever written into the day has ended, and the snapshot sees it:
 * https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT. With REPEATABLE READ that is the
 * snapshot of the transaction, and a row that it does not see and meets in the primary key ends it with 40001.
 */
export const inboxRememberFunction = (s: string): string =>
  `-- Remembers messages and tells of each whether it is new, in one order, so that two batches wait instead of deadlocking.
-- Planned each time, for the days that are kept: a plan for all would lock those that are about to be dropped.
create function ${s}.inbox_remember(messages jsonb, retention_ms double precision) returns setof text
language plpgsql set plan_cache_mode = force_custom_plan as $$
declare
  moment timestamptz;
  horizon timestamptz;
  first_kept date;
  first_open date;
  today date;
  consumer_given text collate "C";
  source_given text collate "C";
  id_given text collate "C";
  written bigint;
begin
  -- Before the clock is read: see inbox_seal.
  perform pg_current_xact_id();
  -- The clock and not the transaction's start: a transaction may be open for long, and days go meanwhile.
  moment := clock_timestamp();
  horizon := moment - retention_ms * interval '1 millisecond';
  first_kept := ((horizon - interval '1 hour') at time zone 'UTC')::date;
  select max(i.through) filter (where i.xid < pg_snapshot_xmin(pg_current_snapshot())) + 1,
    greatest(max(i.through) + 1, (moment at time zone 'UTC')::date)
  into first_open, today from ${s}.inbox_seal i;
  first_open := greatest(first_open, first_kept);
  -- One message is what nearly all calls are about: the same in small statements, which are planned in a fraction of the time.
  if jsonb_array_length(messages) = 1 then
    consumer_given := messages -> 0 ->> 'consumer';
    source_given := messages -> 0 ->> 'source';
    id_given := messages -> 0 ->> 'id';
    perform from ${s}.inbox i where i.consumer = consumer_given and i.source = source_given and i.id = id_given
      and i.day >= first_kept and i.day <= today limit 1;
    if found then
      return next 'duplicate';
    elsif (messages -> 0 ->> 'time')::timestamptz < horizon then
      return next 'expired';
    else
      insert into ${s}.inbox (consumer, source, id, day)
      select consumer_given, source_given, id_given, first_open + n from generate_series(0, today - first_open) n
      on conflict do nothing;
      get diagnostics written = row_count;
      return next case when written = today - first_open + 1 then 'new' else 'duplicate' end;
    end if;
    return;
  end if;
  return query
  with given as (
    select m.place, m.message ->> 'consumer' collate "C" as consumer, m.message ->> 'source' collate "C" as source,
      m.message ->> 'id' collate "C" as id, coalesce((m.message ->> 'time')::timestamptz >= horizon, true) as fresh
    from jsonb_array_elements(messages) with ordinality as m(message, place)
  ), asked as (
    select g.*, min(g.place) filter (where g.fresh) over (partition by g.consumer, g.source, g.id) as first_fresh,
      -- Not exists(): a plan may hash what that finds, which is the whole inbox.
      coalesce((select true from ${s}.inbox i where i.consumer = g.consumer and i.source = g.source and i.id = g.id
        and i.day >= first_kept and i.day <= today limit 1), false) as known
    from given g
  ), stored as (
    insert into ${s}.inbox (consumer, source, id, day)
    select distinct a.consumer, a.source, a.id, first_open + n from asked a, generate_series(0, today - first_open) n
    where a.fresh and not a.known order by 1, 2, 3, 4
    on conflict do nothing
    returning inbox.consumer, inbox.source, inbox.id
  ), counted as (
    select t.consumer, t.source, t.id, count(*) as days from stored t group by 1, 2, 3
  )
  select case
    when a.known then 'duplicate'
    when a.place = a.first_fresh and c.days = today - first_open + 1 then 'new'
    when a.place >= a.first_fresh then 'duplicate'
    else 'expired'
  end
  from asked a left join counted c on c.consumer = a.consumer and c.source = a.source and c.id = a.id
  order by a.place;
end
$$`

/**
 * Locks are waited for shortly: a transaction that is open for long delays the clean-up, and the clean-up nobody. Inserting
 * locks the inbox itself lightly, attaching a partition does not conflict with that, detaching does. So an old day is first
 * emptied, which needs the lock of that day alone and frees the space; the empty table goes when the inbox can be locked.
 */
export const inboxMaintainFunction = (s: string): string =>
  `-- Makes the partitions of the days to come, seals those that are over, and drops old ones. A function with its owner's
-- rights: consumers need not own tables. One process at a time does it; the others have nothing to do.
create function ${s}.inbox_maintain(retention_ms double precision, out created integer, out dropped integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '250ms' as $$
declare
  today date := (now() at time zone 'UTC')::date;
  -- The transaction's id is assigned after its start, so what is over by then is over for the id.
  ended date := ((now() - interval '1 hour') at time zone 'UTC')::date - 1;
  longest_ms double precision;
  horizon timestamptz;
  upcoming date;
  old record;
  busy boolean := false;
begin
  created := 0;
  dropped := 0;
  -- Before the lock: whoever has it may be about to drop what this service has to know.
  insert into ${s}.inbox_retention (retention_ms)
  select inbox_maintain.retention_ms where not exists (
    select from ${s}.inbox_retention r where r.retention_ms >= inbox_maintain.retention_ms);
  if not pg_try_advisory_xact_lock(hashtextextended('posthorn.inbox_maintain:${s.replaceAll("'", "''")}', 0)) then return; end if;
  for upcoming in select today + n from generate_series(0, 3) n loop
    if to_regclass(format('${s}.%I', 'inbox_' || to_char(upcoming, 'YYYYMMDD'))) is not null then continue; end if;
    begin
      -- Nobody may add a row of this day there meanwhile. Where there is one, the whole day stays there.
      lock table ${s}.inbox_default in access exclusive mode;
      if exists (select from ${s}.inbox_default i where i.day = upcoming) then continue; end if;
      execute format('create table ${s}.%I (like ${s}.inbox including all)', 'inbox_' || to_char(upcoming, 'YYYYMMDD'));
      execute format('alter table ${s}.inbox attach partition ${s}.%I for values from (%L) to (%L)',
        'inbox_' || to_char(upcoming, 'YYYYMMDD'), upcoming, upcoming + 1);
      created := created + 1;
    exception when lock_not_available then null; -- The next call tries again; until then the default partition takes the rows.
    end;
  end loop;
  if ended > (select max(i.through) from ${s}.inbox_seal i) then
    insert into ${s}.inbox_seal (through, xid) values (ended, pg_current_xact_id());
    -- One that is older and holds for every open transaction is needed while the new one does not.
    delete from ${s}.inbox_seal i where i.through < (select max(o.through) from ${s}.inbox_seal o
      where o.xid < pg_snapshot_xmin(pg_current_snapshot()));
  end if;
  select max(r.retention_ms) into longest_ms from ${s}.inbox_retention r;
  delete from ${s}.inbox_retention r where r.retention_ms < longest_ms;
  horizon := now() - longest_ms * interval '1 millisecond';
  -- An hour more, as where they are looked up.
  for old in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = '${s}.inbox'::regclass and c.relname ~ '^inbox_[0-9]{8}$'
      and to_date(right(c.relname, 8), 'YYYYMMDD') < ((horizon - interval '1 hour 1 minute') at time zone 'UTC')::date
  loop
    begin
      execute format('truncate ${s}.%I', old.relname);
    exception when lock_not_available then continue;
    end;
    -- Who inserts waits behind whoever waits for this lock: once in a call is enough.
    if busy then continue; end if;
    begin
      execute format('drop table ${s}.%I', old.relname);
      dropped := dropped + 1;
    exception when lock_not_available then busy := true;
    end;
  end loop;
end
$$`

export const inboxForgetFunction = (s: string): string =>
  `-- Deletes what no partition takes along, the old days of the default partition. In batches, so that no transaction is long.
create function ${s}.inbox_forget(retention_ms double precision, max_count integer) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
  with stray as (
    delete from ${s}.inbox_default where ctid = any (array(
      select ctid from ${s}.inbox_default
      where day < ((now() - interval '1 hour 1 minute' - interval '1 millisecond' * greatest(retention_ms,
        (select max(r.retention_ms) from ${s}.inbox_retention r))) at time zone 'UTC')::date
      limit max_count for update skip locked))
    returning 1
  )
  select count(*) from stray
$$`
