import { announce, source, type Acquired } from './acquired.js'
import { control, type NodeControl } from './control.js'
import type { PrometheusSettings } from './instances.js'
import { startOwned } from './lifecycle.js'
import type { Progress } from './progress.js'
import { installPrometheus, prometheusProgram, prometheusUrl } from './prometheusServer.js'
import { run, type RunResult } from './run.js'
import { prometheusTarget } from './targets.js'

export interface AcquirePrometheusOptions extends PrometheusSettings {
  /** See `AcquireOptions`. */
  readonly progress?: Progress
}

export interface Prometheus extends Acquired<NodeControl> {
  readonly url: string
}

/** Prometheus' own checks of rules and configurations. */
export interface Promtool {
  readonly version: string
  /** Runs `promtool`; any exit code is a result. `cwd` is where relative paths begin. */
  run(args: readonly string[], options?: { readonly cwd?: string }): Promise<RunResult>
}

/** A Prometheus of one's own, which scrapes whom it is told to. */
export const acquirePrometheus = async (options: AcquirePrometheusOptions): Promise<Prometheus> => {
  const { progress, ...prometheus } = options
  const { name } = prometheusTarget
  const { instance, release } = await startOwned(prometheusTarget, progress ?? announce(name), { prometheus })
  const { version } = instance
  const url = prometheusUrl(instance)
  return { ...source({ addresses: [url], version, instance, release }), url, control: control(instance) }
}

/** The program that comes with Prometheus; no server is started. */
export const acquirePromtool = async (progress: Progress = announce(prometheusTarget.name)): Promise<Promtool> => {
  const { path, version } = await installPrometheus(progress)
  const { command, env } = prometheusProgram(path, 'promtool')
  return {
    version,
    run: (args, { cwd } = {}) =>
      run(command, args, { env: { ...process.env, ...env }, ...(cwd === undefined ? {} : { cwd }) }),
  }
}
