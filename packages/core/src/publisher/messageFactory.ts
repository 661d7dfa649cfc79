import type { Contract } from '@posthorn/contracts'
import { createContractRegistry } from '../envelope/contractRegistry.js'
import { defaultLimits } from '../envelope/jsonGuard.js'
import type { WireFormat } from '../envelope/wireFormat.js'
import { silentLogger } from '../logger.js'
import { createMessageKit, kitProblems } from '../messagingKit.js'
import type { MessageKitOptions } from '../messagingKit.js'
import {
  anything,
  boolean,
  optionProblems,
  refuseProblems,
  text,
  wholeNumber,
  withDefaults,
} from '../optionProblems.js'
import type { OptionRule } from '../optionProblems.js'
import type { Capabilities, WireMessage } from '../ports.js'
import { asBuildError, createMessageBuilder } from './messageBuilder.js'
import type { MessageOptions } from './messageBuilder.js'
import { contractsOf, messageKitRules, messageRules, routingProblems } from './publisherOptions.js'
import type { MessageSettings } from './publisherOptions.js'
import { date, messageOptionRules } from './publishOptions.js'

/** What must be known of the transport that will send the messages. */
export type SendingCapabilities = Partial<Capabilities>

/** What a message factory is made from: as a publisher, and what is known of the transport in place of the transport. */
export interface MessageFactoryOptions extends MessageKitOptions, MessageSettings {
  /**
   * What the transport of the relay can do: `transport.capabilities` of one like it. It tells the names of headers in
   * binary mode, the longest body, and whether `mustRoute` can be honoured. @default unknown: binary mode is refused
   */
  readonly capabilities?: SendingCapabilities
}

/** Options of one message that is sent later. */
export interface LaterMessageOptions extends MessageOptions {
  /** Reject when nobody receives the message. @default true for commands */
  readonly mustRoute?: boolean
  /** Not sent before this time. @default at once */
  readonly notBefore?: Date
}

/** A message that somebody else will send. */
export interface FinishedMessage {
  readonly message: WireMessage
  readonly mustRoute: boolean
}

/** Builds messages as a publisher does, without a transport to send them. */
export interface MessageFactory {
  /** Throws exactly what `publish` would reject with before it sends: nothing leaves here that may not leave there. */
  make(contract: Contract, data: unknown, options: LaterMessageOptions): FinishedMessage
}

const capabilityRules: Readonly<Record<keyof Capabilities, OptionRule>> = {
  routed: boolean,
  ordered: boolean,
  countsRedeliveries: boolean,
  maxHoldMs: wholeNumber(0),
  maxBodyBytes: wholeNumber(1),
  binaryPrefix: text,
}

/** The rules of the factory's options, for whoever adds options of its own. */
export const messageFactoryRules: Readonly<Record<string, OptionRule>> = {
  ...messageKitRules,
  ...messageRules,
  capabilities: anything, // Has rules of its own.
}

const laterRules: Readonly<Record<keyof LaterMessageOptions, OptionRule>> = {
  ...messageOptionRules,
  mustRoute: boolean,
  notBefore: date,
}

/** Makes a factory from options that were checked with `messageFactoryProblems`. */
export function createMessageFactory(options: MessageFactoryOptions): MessageFactory {
  const sender = senderOf(options.capabilities)
  const kit = createMessageKit({ ...options, limits: limitsOf(options) }, options.capabilities?.binaryPrefix)
  const builder = createMessageBuilder(kit, options)
  for (const contract of options.publishes ?? []) kit.registry.validatorOf(contract)

  return {
    make(contract, data, messageOptions) {
      try {
        refuseProblems(`publish(${contract?.type})`, [
          ...optionProblems('options', messageOptions, laterRules),
          ...routingProblems(messageOptions, sender),
          ...timeProblems(messageOptions),
        ])
        const message = builder.build(contract, data, messageOptions)
        const mustRoute = messageOptions.mustRoute ?? options.mustRoute ?? contract.kind === 'command'
        return { message, mustRoute }
      } catch (error) {
        throw asBuildError(error)
      }
    },
  }
}

/** Lists everything that is wrong with the options, beyond what their rules say; takes whatever was given. */
export function messageFactoryProblems(options: Partial<MessageFactoryOptions>): string[] {
  const { publishes, unsafeSchemas, capabilities } = options
  const contracts = contractsOf(publishes)
  const registry = createContractRegistry({ logger: silentLogger, unsafeSchemas: unsafeSchemas ?? 'warn' })
  return [
    ...kitProblems(options),
    ...(capabilities === undefined ? [] : optionProblems('capabilities', capabilities, capabilityRules)),
    ...routingProblems(options, senderOf(capabilities)),
    ...contracts.flatMap((contract) => registry.problems(contract)),
    ...prefixProblems(options),
  ]
}

/** The prefix is the transport's: a message in the names of another transport would be read as a foreign one. */
function prefixProblems({ wireFormat, wireFormats, capabilities }: Partial<MessageFactoryOptions>): string[] {
  if (capabilities?.binaryPrefix !== undefined) return []
  const named: [string, WireFormat | undefined][] = [['wireFormat', wireFormat]]
  for (const [destination, format] of Object.entries(wireFormats ?? {})) {
    named.push([`wireFormats.${destination}`, format])
  }
  return named
    .filter(([, format]) => format?.needsBinaryPrefix === true)
    .map(([name]) => `${name} needs to know the transport of the relay; give capabilities: transport.capabilities`)
}

/** What the transport would refuse would block its key in the outbox: it is refused here, where the caller can act. */
function limitsOf({ limits, capabilities }: MessageFactoryOptions): MessageKitOptions['limits'] & object {
  const own = withDefaults(defaultLimits, limits)
  return { ...own, maxBodyBytes: Math.min(own.maxBodyBytes, capabilities?.maxBodyBytes ?? Infinity) }
}

function timeProblems({ notBefore, expiresAt }: LaterMessageOptions): string[] {
  if (!(notBefore instanceof Date && expiresAt instanceof Date) || notBefore < expiresAt) return []
  return ['options.expiresAt is not after options.notBefore: the message would expire before it is sent']
}

function senderOf(capabilities: SendingCapabilities | undefined): {
  system: string
  capabilities: SendingCapabilities
} {
  return { system: 'the transport of the relay', capabilities: capabilities ?? {} }
}
