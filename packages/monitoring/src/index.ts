/* The door for developers of services. */
export type { MetricsHandler, MonitoringOptions } from './monitoringOptions.js'
export { liveness, readiness } from './probes.js'
export type {
  HealthSubject,
  HealthSubjects,
  LivenessBody,
  ProbeAnswer,
  ReadinessBody,
  SubjectReason,
} from './probes.js'
export { serveMonitoring } from './serveMonitoring.js'
export type { Monitoring } from './serveMonitoring.js'
