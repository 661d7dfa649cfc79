/** Remembers so many names and no more, so that names from outside cannot make series without end. */
export class BoundedNames {
  readonly #names = new Set<string>()
  readonly #maxCount: number

  constructor(maxCount: number) {
    this.#maxCount = maxCount
  }

  /** True for a name that is among the first. */
  admit(name: string): boolean {
    if (this.#names.has(name)) return true
    if (this.#names.size >= this.#maxCount) return false
    this.#names.add(name)
    return true
  }
}

/** What a telemetry tells apart by name, whatever transports and services share it. */
export interface Names {
  readonly services: BoundedNames
  readonly groups: BoundedNames
  readonly destinations: BoundedNames
  readonly errors: BoundedNames
}

/** So many of each. */
export function createNames(maxCount: number): Names {
  return {
    services: new BoundedNames(maxCount),
    groups: new BoundedNames(maxCount),
    destinations: new BoundedNames(maxCount),
    errors: new BoundedNames(maxCount),
  }
}
