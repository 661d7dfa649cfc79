import { tlsProblemOf as problemOf } from '@posthorn/core/adapter'
import type { KafkaTls } from './options.js'

/** Codes of OpenSSL and of Node.js for certificates and handshakes; of other errors of a socket is none like them. */
const tlsCode =
  /^(ERR_SSL_|ERR_TLS_|ERR_OSSL_|CERT_|CRL_|INVALID_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_MISMATCH$|PATH_LENGTH_EXCEEDED$)/

/** Whether an error of a socket is about TLS, by its code. */
export function isTlsCode(code: unknown): boolean {
  return typeof code === 'string' && tlsCode.test(code)
}

/** What is wrong with the TLS of a connection and what to do next, for people; undefined for errors of another kind. */
export function tlsProblemOf(error: unknown, tls: KafkaTls | boolean): string | undefined {
  const { cert, pfx, secureContext } = typeof tls === 'object' ? tls : {}
  return problemOf(error, {
    plainPort: "Use the port of the broker's TLS listener, or leave the option tls away",
    showsCertificate: (cert ?? pfx ?? secureContext) !== undefined,
  })
}
