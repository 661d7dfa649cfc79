import type { Prometheus } from '@posthorn/monitoring/prometheus'

/**
 * Collects what the configuration measures with the registered provider of metrics; undefined where the exporter is not installed,
 * or another provider was registered before, which has its own way out.
 */
export async function findPrometheus(): Promise<Prometheus | undefined> {
  let prometheus: Prometheus
  try {
    const { createPrometheus } = await import('@posthorn/monitoring/prometheus')
    prometheus = createPrometheus()
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code === 'ERR_MODULE_NOT_FOUND') return undefined
    throw error
  }
  if (prometheus.isRegistered) return prometheus
  await prometheus.close()
  return undefined
}
