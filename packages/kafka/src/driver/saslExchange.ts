import type { DriverLogin, LoginSecret } from './driver.js'
import { scram } from './scram.js'
import type { Say } from './scram.js'

/** Our side of SASL, whatever the client: asks for the secret of this moment, and ends accepted or with an error. */
export async function logIn(login: DriverLogin, say: Say): Promise<void> {
  await exchanges[login.mechanism](await login.secret(), say)
}

const exchanges: Readonly<Record<DriverLogin['mechanism'], (secret: LoginSecret, say: Say) => Promise<void>>> = {
  async PLAIN({ username, password }, say) {
    await say(`\0${username}\0${password}`)
  },
  'SCRAM-SHA-256': (secret, say) => scram('sha256', secret, say),
  'SCRAM-SHA-512': (secret, say) => scram('sha512', secret, say),
  async OAUTHBEARER({ password: token }, say) {
    const refusal = await say(`n,,\u0001auth=Bearer ${token}\u0001\u0001`)
    // It says why, and fails only when it has heard that we know (RFC 7628, section 3.2.3).
    if (refusal !== '') await say('\u0001')
  },
}
