/** What the payment worker keeps: `s` is its schema. */
export const paymentTables = (s: string): string => `
-- One row for each time an order was charged or declined. Not unique on purpose: that it happens once is the work of the
-- inbox, and a second row shows that it was not done.
create table if not exists ${s}.payments (
  id bigint generated always as identity primary key,
  message_id text not null, -- of the event that told of the order
  order_key text not null,
  outcome text not null, -- paid or declined
  payment_id text,
  amount_cents bigint not null
);
create index if not exists payments_message_id on ${s}.payments (message_id);
`
