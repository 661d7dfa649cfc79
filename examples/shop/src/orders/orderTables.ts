/** What the order service keeps: `s` is its schema. */
export const orderTables = (s: string): string => `
-- Who may order.
create table if not exists ${s}.users (
  user_key text primary key
);
-- One row for each placing: an order that is placed twice is told twice, and each is answered.
create table if not exists ${s}.orders (
  message_id text primary key, -- of the event that tells of it, so that placing it again with the same id does nothing
  order_key text not null,
  status text not null default 'placed',
  answers integer not null default 0, -- outcomes that had their effect: more than one, and an inbox has failed
  placed_at timestamptz not null default now()
);
create index if not exists orders_order_key on ${s}.orders (order_key);
`
