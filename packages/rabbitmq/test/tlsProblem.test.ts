import { describe, expect, it } from 'vitest'
import { refusalOf, refusedError } from '../src/errorMapping.js'
import { PlainToTlsError, tlsProblemOf } from '../src/tlsProblem.js'

const withCode = (code: string, fields: object = {}): Error =>
  Object.assign(new Error('802C8FDEE57F0000:error:0A00045C:SSL routines'), { code, ...fields })
const where = { addresses: ['amqps://mq.example:5671'], vhost: '/' }

describe('a problem of TLS', () => {
  it.each([
    ['SELF_SIGNED_CERT_IN_CHAIN', 'tls.ca'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls.ca'],
    ['CERT_HAS_EXPIRED', 'expired'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls.servername'],
    ['CERT_REVOKED', 'Replace it on the broker'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'tls.cert and tls.key'],
    ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'client certificate'],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'refused the client certificate'],
    ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED', 'refused the client certificate'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'does not speak TLS'],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'versions and ciphers'],
    ['ERR_OSSL_PEM_NO_START_LINE', 'ca, cert, key'],
  ])('%s is fatal, names the address and says what to do', (code, words) => {
    const error = withCode(code)
    expect(refusalOf(error)).toBe('tls')
    const refused = refusedError('tls', where, error)
    expect(refused).toMatchObject({ code: 'POSTHORN_TLS', retryable: false, cause: error })
    expect(refused.message).toContain('amqps://mq.example:5671')
    expect(refused.message).toContain(words)
  })

  it('is told by the readable part of what OpenSSL says', () => {
    const error = withCode('ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', { reason: 'tlsv1 alert unknown ca' })
    expect(tlsProblemOf(error)).toContain('tlsv1 alert unknown ca')
    expect(tlsProblemOf(error)).not.toContain('802C8FDEE57F0000')
  })

  it('is also a plain connection to a port that speaks it', () => {
    expect(refusalOf(new PlainToTlsError('…'))).toBe('tls')
    expect(tlsProblemOf(new PlainToTlsError('…'))).toContain('amqps://')
  })

  it.each([
    withCode('ECONNRESET'),
    withCode('ENOTFOUND'),
    Object.assign(new Error('…'), { code: 404 }),
    new Error('…'),
    'text',
    undefined,
  ])('is not %s', (error) => {
    expect(tlsProblemOf(error)).toBeUndefined()
  })
})
