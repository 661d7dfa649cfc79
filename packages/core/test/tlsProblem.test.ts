import { describe, expect, it } from 'vitest'
import { tlsProblemOf } from '../src/tlsProblem.js'

const withCode = (code: string, fields: object = {}): Error =>
  Object.assign(
    new Error('8047:error:0A000412:SSL routines:ssl3_read_bytes:sslv3 alert bad certificate:../x.c:1601:'),
    {
      code,
      ...fields,
    },
  )
const advice = { plainPort: 'Use another one', showsCertificate: true }

describe('a problem of TLS', () => {
  it('with our certificate is told by the readable part of what OpenSSL says', () => {
    const problem = tlsProblemOf(withCode('ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE'), advice)
    expect(problem).toContain('refused the client certificate (sslv3 alert bad certificate)')
    expect(tlsProblemOf(withCode('ERR_SSL_X', { reason: 'because' }), advice)).toContain('(because)')
  })

  it('with a certificate that we have not is that we have none', () => {
    const problem = tlsProblemOf(withCode('ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE'), {
      ...advice,
      showsCertificate: false,
    })
    expect(problem).toContain('wants a client certificate')
  })

  it('of a port without TLS comes with the advice of the adapter', () => {
    expect(tlsProblemOf(withCode('ERR_SSL_WRONG_VERSION_NUMBER'), advice)).toContain('Use another one')
  })

  it.each([withCode('ECONNRESET'), Object.assign(new Error('…'), { code: 404 }), new Error('…'), 'text'])(
    'is not %s',
    (error) => {
      expect(tlsProblemOf(error, advice)).toBeUndefined()
    },
  )
})
