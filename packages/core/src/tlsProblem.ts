/** What differs between brokers in what to do about a problem of TLS. */
export interface TlsAdvice {
  /** What to use instead of a port that does not speak TLS. */
  readonly plainPort: string
  /** We have a certificate to show, so a broker that complains about certificates does not like ours. */
  readonly showsCertificate: boolean
}

const issuer = 'its certificate was signed by an authority that this client does not trust. Give that one as tls.ca'
const wanted =
  'the broker refused the handshake, as it does when it wants a client certificate. Give tls.cert and tls.key'

const byCode: ReadonlyMap<string, string> = new Map([
  ['SELF_SIGNED_CERT_IN_CHAIN', issuer],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', issuer],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', issuer],
  ['UNABLE_TO_GET_ISSUER_CERT', issuer],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', issuer],
  ['CERT_UNTRUSTED', issuer],
  ['CERT_HAS_EXPIRED', 'its certificate has expired. Renew it on the broker, and check the clock of this machine'],
  ['CERT_NOT_YET_VALID', 'its certificate is not valid yet. Check the clocks of the broker and of this machine'],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', wanted],
  ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', wanted],
])

/** OpenSSL's names of what is wrong with a certificate, as Node.js gives them. */
const certificateCode = /^(CERT_|CRL_|INVALID_|UNABLE_TO_|HOSTNAME_MISMATCH$|PATH_LENGTH_EXCEEDED$|ERR_TLS_CERT)/
const refusedClientCode = /^ERR_SSL_\w*ALERT_(UNKNOWN_CA|BAD_CERT|CERTIFICATE_|UNSUPPORTED_CERT|ACCESS_DENIED)/
/** The part of OpenSSL's own text that people can read; around it stand addresses in memory. */
const readablePart = /error:[0-9A-F]+:[^:]*:[^:]*:([^:]+)/

/**
 * What is wrong with the TLS of a connection and what to do next, for people; undefined for errors of another kind. None
 * of these passes by itself.
 */
export function tlsProblemOf(error: unknown, advice: TlsAdvice): string | undefined {
  if (!(error instanceof Error)) return undefined
  const { code } = error as { code?: unknown }
  if (typeof code !== 'string') return undefined
  const detail = detailOf(error)
  const known = byCode.get(code)
  if (known !== undefined) return known
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER') return `this port does not speak TLS. ${advice.plainPort}`
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `its certificate is for another host (${detail}). Connect by a name that is in it, or set tls.servername`
  }
  if (certificateCode.test(code)) return `its certificate was not accepted (${detail}). Replace it on the broker`
  if (refusedClientCode.test(code)) {
    // Java has one alert for a certificate that it does not like and for none.
    if (!advice.showsCertificate) return wanted
    return `the broker refused the client certificate (${detail}). Give one in tls.cert that it trusts`
  }
  if (code.startsWith('ERR_SSL_')) {
    return `the handshake failed (${detail}). Compare the versions and ciphers of both sides`
  }
  if (code.startsWith('ERR_OSSL_') || code.startsWith('ERR_TLS_')) {
    return `the option tls cannot be used (${detail}). Check that ca, cert, key and passphrase belong together`
  }
  return undefined
}

function detailOf(error: Error): string {
  const { reason } = error as { reason?: unknown }
  if (typeof reason === 'string' && reason !== '') return reason
  return readablePart.exec(error.message)?.[1] ?? error.message
}
