import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { aptInstall } from './debian.js'
import type { Progress } from './progress.js'
import { hasProgram, runOk } from './run.js'

/** What a server shows to its clients: one of them is what they hope for. */
export type ServerCertificate = 'valid' | 'wrongHost' | 'expired'

/** A certificate with its key, as PEM. */
export interface KeyPair {
  readonly cert: string
  readonly key: string
}

/** What a client of a server with certificates needs, and what it should be refused with; all PEM. */
export interface TestCertificates {
  /** Of the authority that has signed the server's certificates. */
  readonly ca: string
  /** Signed by the same authority; its common name is `clientName`. */
  readonly client: KeyPair
  /** An authority that has signed nothing of the server. */
  readonly strangerCa: string
  /** Signed by that authority, with the same common name. */
  readonly strangerClient: KeyPair
}

/** The common name of the client certificates. */
export const clientName = 'posthorn-client'

interface Leaf {
  readonly name: string
  readonly commonName: string
  readonly authority: 'ca' | 'stranger'
  readonly extension: string
  /** Over for years, or good for ten of them. */
  readonly expired?: boolean
}

const onLoopback = 'subjectAltName = DNS:localhost, IP:127.0.0.1'
const leaves: readonly Leaf[] = [
  { name: 'valid', commonName: 'localhost', authority: 'ca', extension: onLoopback },
  { name: 'wrongHost', commonName: 'elsewhere', authority: 'ca', extension: 'subjectAltName = DNS:elsewhere.example' },
  { name: 'expired', commonName: 'localhost', authority: 'ca', extension: onLoopback, expired: true },
  { name: 'client', commonName: clientName, authority: 'ca', extension: 'extendedKeyUsage = clientAuth' },
  { name: 'strangerClient', commonName: clientName, authority: 'stranger', extension: 'extendedKeyUsage = clientAuth' },
]

// `openssl ca` and not `openssl x509`, which cannot make a certificate that has expired.
const configuration = `
[ca]
default_ca = ours
[ours]
database = index.txt
rand_serial = yes
new_certs_dir = .
default_md = sha256
policy = anything
unique_subject = no
[anything]
commonName = supplied
[req]
distinguished_name = names
[names]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
${leaves.map(({ name, extension }) => `[${name}]\n${extension}`).join('\n')}
`

/** Makes an authority, certificates of a server and of a client, and those of a stranger, in `folder`. */
export const makeCertificates = async (folder: string, progress: Progress): Promise<void> => {
  if (!(await hasProgram('openssl'))) await aptInstall(['openssl'], progress)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'openssl.cnf'), configuration)
  writeFileSync(join(folder, 'index.txt'), '')
  const openssl = async (...args: string[]): Promise<void> => void (await runOk('openssl', args, { cwd: folder }))
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-config', 'openssl.cnf']
  for (const name of ['ca', 'stranger']) {
    const subject = ['-subj', `/CN=${name} of a test`, '-days', '3650', '-extensions', 'authority']
    await openssl('req', '-x509', ...newKey, ...subject, '-keyout', `${name}.key`, '-out', `${name}.pem`)
  }
  for (const { name, commonName, authority, expired } of leaves) {
    await openssl('req', ...newKey, '-subj', `/CN=${commonName}`, '-keyout', `${name}.key`, '-out', `${name}.csr`)
    const signer = ['-cert', `${authority}.pem`, '-keyfile', `${authority}.key`, '-extensions', name]
    const life = ['-startdate', '20200101000000Z', '-enddate', expired === true ? '20200201000000Z' : '20491231000000Z']
    const files = ['-in', `${name}.csr`, '-out', `${name}.pem`, '-notext']
    await openssl('ca', '-batch', '-config', 'openssl.cnf', ...signer, ...life, ...files)
  }
}

/** What `makeCertificates` has put into a folder, as far as clients may know it. */
export const readCertificates = (folder: string): TestCertificates => {
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
  const pair = (name: string): KeyPair => ({ cert: read(`${name}.pem`), key: read(`${name}.key`) })
  return {
    ca: read('ca.pem'),
    client: pair('client'),
    strangerCa: read('stranger.pem'),
    strangerClient: pair('strangerClient'),
  }
}
