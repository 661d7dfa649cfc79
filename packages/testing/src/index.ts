/* The door for authors of tests. */
export { conformanceCases } from './conformance/conformanceCases.js'
export type { ConformanceCase, ConformanceSetup, ConformanceTiming } from './conformance/conformanceCase.js'
export { createDeadLetterProbe } from './probes/deadLetterProbe.js'
export { eventually } from './probes/eventually.js'
export { createMessageProbe } from './probes/messageProbe.js'
export type { MessageProbe, MessageProbeOptions, SeenMessage } from './probes/messageProbe.js'
export { createProbe, ProbeTimeoutError } from './probes/probe.js'
export type { Probe, ProbeOptions, WaitOptions } from './probes/probe.js'
