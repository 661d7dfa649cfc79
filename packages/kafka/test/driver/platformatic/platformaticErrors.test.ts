import { describe, expect, it } from 'vitest'
import { errorOfCode } from '../../../src/driver/platformatic/platformaticErrors.js'

describe("a broker's answer to a send", () => {
  it.each([
    ['LEADER_NOT_AVAILABLE', 5, 'unavailable', 'no'],
    ['MESSAGE_TOO_LARGE', 10, 'tooLarge', 'no'],
    ['NOT_ENOUGH_REPLICAS', 19, 'tooFewReplicas', 'no'],
    ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 20, 'tooFewReplicas', 'unknown'],
    // The leader may have appended before it stopped being one, and the topic may have been deleted after that.
    ['NOT_LEADER_OR_FOLLOWER', 6, 'unavailable', 'unknown'],
    ['UNKNOWN_TOPIC_OR_PARTITION', 3, 'unknownTopic', 'unknown'],
    ['KAFKA_STORAGE_ERROR', 56, 'unavailable', 'unknown'],
  ])('%s (%i) is %s, and was written: %s', (_, code, kind, written) => {
    expect(errorOfCode(code, 'Sending')).toMatchObject({ kind, written })
  })
})
