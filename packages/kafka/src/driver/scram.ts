import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import type { LoginSecret } from './driver.js'
import { DriverError } from './driverError.js'

/** Sends one message of a SASL exchange and gives the answer. */
export type Say = (message: string) => Promise<string>

/** A server that asks for fewer makes a stolen proof cheap to break (RFC 7677, section 4). */
const minIterations = 4_096
const derive = promisify(pbkdf2)
/** No channel binding: Kafka has none. */
const preamble = 'n,,'

/** Logs in without giving the password away, and checks that the broker knows it too (RFC 5802). */
export async function scram(hash: 'sha256' | 'sha512', { username, password }: LoginSecret, say: Say): Promise<void> {
  const mac = (key: Buffer, text: string): Buffer => createHmac(hash, key).update(text).digest()
  const nonce = randomBytes(24).toString('base64url')
  const first = `n=${escaped(username)},r=${nonce}`
  const challenge = await say(`${preamble}${first}`)
  const { r: bothNonces = '', s: salt = '', i: iterations = '' } = fieldsOf(challenge)
  if (!bothNonces.startsWith(nonce) || !(Number(iterations) >= minIterations)) throw refused('an unsafe challenge')
  const length = hash === 'sha256' ? 32 : 64
  const salted = await derive(password, Buffer.from(salt, 'base64'), Number(iterations), length, hash)
  const last = `c=${Buffer.from(preamble).toString('base64')},r=${bothNonces}`
  const whole = `${first},${challenge},${last}`
  const clientKey = mac(salted, 'Client Key')
  const signature = mac(createHash(hash).update(clientKey).digest(), whole)
  const proof = clientKey.map((byte, at) => byte ^ signature[at]!)
  const { v: shown = '' } = fieldsOf(await say(`${last},p=${Buffer.from(proof).toString('base64')}`))
  const expected = mac(mac(salted, 'Server Key'), whole)
  const given = Buffer.from(shown, 'base64')
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw refused('a wrong signature')
}

function escaped(username: string): string {
  return username.replaceAll('=', '=3D').replaceAll(',', '=2C')
}

function fieldsOf(message: string): Readonly<Record<string, string>> {
  return Object.fromEntries(message.split(',').map((field) => [field.slice(0, 1), field.slice(2)]))
}

function refused(what: string): DriverError {
  const message = `The broker did not prove that it knows the password: it sent ${what}`
  return new DriverError({ kind: 'authentication', message, written: 'no' })
}
