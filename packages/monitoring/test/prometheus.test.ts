import { metrics } from '@opentelemetry/api'
import { defineEvent } from '@posthorn/core'
import { createOpenTelemetry } from '@posthorn/opentelemetry'
import { afterEach, describe, expect, it } from 'vitest'
import { createPrometheus } from '../src/prometheus.js'
import { createScene, served } from './fixtures.js'

const noted = defineEvent({ type: 'com.example.noted.v1', destination: 'notes', schema: { type: 'object' } })
afterEach(() => metrics.disable())

async function scraped(address: string): Promise<string> {
  const response = await fetch(`http://${address}/metrics`)
  expect(response.headers.get('content-type')).toMatch(/^text\/plain/)
  return response.text()
}

describe('metrics for Prometheus', () => {
  it('are those of a service whose telemetry has no provider of its own', async () => {
    const prometheus = createPrometheus()
    expect(prometheus.isRegistered).toBe(true)
    const { service } = createScene({ telemetry: createOpenTelemetry() })
    const { address } = await served({ subjects: { shop: service }, metrics: prometheus.metrics })
    await service.start()
    await service.publish(noted, {})
    const text = await scraped(address)
    expect(text).toMatch(/^messaging_client_sent_messages_total\{.*\} 1$/m)
    expect(text).toMatch(/^posthorn_transport_state\{.*posthorn_state="ready".*\} 1$/m)
    await service.stop()
    await prometheus.close()
    expect(metrics.getMeterProvider()).not.toBe(prometheus.meterProvider)
  })

  it('leave a provider alone that was there before', async () => {
    const first = createPrometheus()
    const second = createPrometheus()
    expect([first.isRegistered, second.isRegistered]).toEqual([true, false])
    await second.close()
    expect(metrics.getMeterProvider()).toBe(first.meterProvider)
    await first.close()
  })

  it('need not be registered', async () => {
    const prometheus = createPrometheus({ register: false })
    expect(prometheus.isRegistered).toBe(false)
    const { service } = createScene({ telemetry: createOpenTelemetry({ meterProvider: prometheus.meterProvider }) })
    const { address } = await served({ subjects: { shop: service }, metrics: prometheus.metrics })
    await service.start()
    expect(await scraped(address)).toContain('posthorn_transport_state')
    await service.stop()
    await prometheus.close()
  })

  it('refuse options that they do not know', () => {
    expect(() => createPrometheus({ port: 1 } as never)).toThrow(/port is no known option/)
  })
})
