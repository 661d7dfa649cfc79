import type { AuthenticationProviderArgs, Mechanism } from 'kafkajs'
import type { DriverLogin } from '../driver.js'
import { logIn } from '../saslExchange.js'
import type { Say } from '../scram.js'

/**
 * Our own side of SASL for kafkajs, whose own keeps the first password for ever, waits for a token without end, and
 * takes a token for accepted that the broker has refused.
 */
export function mechanismOf(login: DriverLogin): Mechanism {
  return {
    mechanism: login.mechanism,
    authenticationProvider: ({ saslAuthenticate }) => ({
      authenticate: async () => {
        await logIn(login, sayingTo(saslAuthenticate))
      },
    }),
  }
}

/** Messages stand behind their length, four bytes, on both ways. */
function sayingTo(authenticate: AuthenticationProviderArgs['saslAuthenticate']): Say {
  return async (message) => {
    const bytes = Buffer.from(message)
    const length = Buffer.alloc(4)
    length.writeInt32BE(bytes.length)
    const answer = await authenticate({
      request: { encode: () => Buffer.concat([length, bytes]) },
      response: { decode: (raw) => raw, parse: (raw) => raw.subarray(4).toString() },
    })
    return answer ?? ''
  }
}
