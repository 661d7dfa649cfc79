/** What services, publishers and consumers write. */
export const coreEvents = {
  'publish.invalid': {
    level: 'warn',
    meaning: 'Data that breaks its schema was published, since `validation` is `warn`.',
    action: 'Correct the producer, then take the option away.',
    fields: ['type', 'destination', 'code', 'err'],
    nearData: true,
  },
  'publish.unrouted': {
    level: 'info',
    meaning: 'An event was published that nobody receives; written at powers of two.',
    action: 'Nothing, if no group is meant to listen; else look at the bindings of the group.',
    fields: ['type', 'destination', 'unrouted'],
  },
  'consume.invalid': {
    level: 'warn',
    meaning: 'A message whose data breaks its schema was handled, since `validation` is `warn`.',
    action: 'Correct the producer, then take the option away.',
    fields: ['messageId', 'type', 'destination', 'group', 'attempt', 'traceId', 'code', 'err'],
    nearData: true,
  },
  'handler.timeout': {
    level: 'warn',
    meaning:
      'A handler takes longer than `handlerTimeoutMs`: its signal has fired, and its slot stays taken until it settles.',
    action: 'Let the handler obey its signal; raise the limit if it needs the time.',
    fields: ['messageId', 'type', 'destination', 'group', 'attempt', 'traceId', 'handlerTimeoutMs'],
  },
  'message.retried': {
    level: 'debug',
    meaning: 'An attempt failed; the message is tried again after `delayMs`.',
    action: 'Nothing, unless it goes on: the error says why.',
    fields: ['messageId', 'type', 'destination', 'group', 'attempt', 'traceId', 'delayMs', 'code', 'err'],
    nearData: true,
  },
  'message.deadLettered': {
    level: 'warn',
    meaning:
      'A message was given up and stands among the dead letters; `attempt` is the last one, 0 if it was never handled.',
    action: 'Look at the dead letter, correct what is wrong, and replay it.',
    fields: ['messageId', 'type', 'destination', 'group', 'attempt', 'traceId', 'reason', 'code', 'err'],
    nearData: true,
  },
  'message.discarded': {
    level: 'info',
    meaning: 'A handler discarded a message, with its reason.',
    action: 'Nothing; the handler wanted it.',
    fields: ['messageId', 'type', 'destination', 'group', 'attempt', 'traceId', 'reason'],
  },
  'settle.stuck': {
    level: 'error',
    meaning:
      'The broker does not take a retry or a dead letter. The original stays unsettled, and the copy is sent again.',
    action: 'Look at the cause: an absent or full queue, a broker that is away.',
    fields: ['messageId', 'type', 'destination', 'group', 'attempt', 'traceId', 'failures', 'code', 'err'],
  },
  'settle.headersLeftOut': {
    level: 'warn',
    meaning: 'A retry or a dead letter had longer headers than the broker takes, and goes without those in `leftOut`.',
    action: 'Let whoever published the message send shorter headers.',
    fields: ['messageId', 'type', 'destination', 'group', 'attempt', 'traceId', 'leftOut'],
  },
  'settle.failed': {
    level: 'error',
    meaning: 'Settling failed by itself; the message is released.',
    action: 'Report it: this is a fault of Posthorn.',
    fields: ['messageId', 'type', 'destination', 'group', 'attempt', 'traceId', 'code', 'err'],
  },
  'settle.late': {
    level: 'warn',
    meaning: 'A handler ended after the stop had released its message, which is delivered again.',
    action: 'Let handlers obey their signal, or give `stop()` more time.',
    fields: ['messageId', 'type', 'destination', 'group', 'attempt', 'traceId', 'code', 'err'],
  },
  'deadLetter.refused': {
    level: 'warn',
    meaning:
      'A handler of dead letters failed; the dead letter stays, and comes again after a wait that grows to a minute.',
    action: 'Correct the handler.',
    fields: ['messageId', 'type', 'destination', 'group', 'traceId', 'address', 'code', 'err'],
    nearData: true,
  },
  'consumer.rest': {
    level: 'info',
    meaning: 'A consumer is paused for so long that what waits for it goes back to the broker until it resumes.',
    action: 'Nothing; resume it when the reason of the pause is gone.',
    fields: ['group'],
  },
  'consumer.resubscribe': {
    level: 'warn',
    meaning: 'A consumer that resumed after a long pause could not subscribe; it is tried again.',
    action: 'Look at the error; nothing, if the broker is away.',
    fields: ['group', 'failures', 'code', 'err'],
  },
  'deadLetter.full': {
    level: 'warn',
    meaning:
      'A reader of dead letters holds as many as it may, and its handler refused all of them: it sees no others. Written once, until the handler takes one.',
    action:
      'Let the handler take what it need not see again, after storing it; or remove those letters with the broker’s tools.',
    fields: ['destination', 'group', 'refused', 'bytes'],
  },
  'consumer.standstill': {
    level: 'error',
    meaning: 'Handlers are past their time, and nothing of the group ends: `health().live` is false.',
    action: 'Let handlers obey their signal; a restart helps meanwhile.',
    fields: ['group', 'running', 'standstillMs'],
  },
  'schema.unsafe': {
    level: 'warn',
    meaning: 'A schema may let one message block the process.',
    action: 'Change the pattern or the bound that `hazards` names; see `unsafeSchemas`.',
    fields: ['type', 'hazards'],
  },
  'start.waiting': {
    level: 'warn',
    meaning: "`start({ ifUnavailable: 'wait' })` waits for a broker or a database.",
    action: 'Look at the error; start what is missing.',
    fields: ['failures', 'code', 'err'],
  },
  'transport.close': {
    level: 'warn',
    meaning: 'The transport did not close cleanly.',
    action: 'Nothing, if the process ends; what was unsettled is delivered again.',
    fields: ['code', 'err'],
  },
  'part.stop': {
    level: 'warn',
    meaning: 'A part of the service did not stop cleanly.',
    action: 'Look at the error; a relay gives its partitions up by itself.',
    fields: ['part', 'code', 'err'],
  },
  'monitoring.server': {
    level: 'warn',
    meaning: 'The server of `serveMonitoring` failed.',
    action: 'Look at the error: a port that is taken.',
    fields: ['code', 'err'],
  },
  'monitoring.metrics': {
    level: 'warn',
    meaning: 'The metrics could not be collected for `/metrics`.',
    action: 'Look at the error, which is of the exporter.',
    fields: ['code', 'err'],
  },
  'log.suppressed': {
    level: 'same',
    meaning: 'So many records (`suppressed`) like the ones before were not written; `of` is their event.',
    action: 'Look at the records before it.',
    fields: [
      'of',
      'destination',
      'group',
      'queue',
      'topic',
      'groupId',
      'purpose',
      'part',
      'reason',
      'codes',
      'suppressed',
      'repeatWindowMs',
    ],
  },
} as const
