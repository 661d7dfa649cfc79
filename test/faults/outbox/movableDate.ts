/** The wall clock of this process. */
export interface MovableDate {
  /** From now on it shows so many milliseconds more than that of the machine; time that only passes stays as it is. */
  move(byMs: number): void
}

/** Moves what everything in the process reads: the relay's clock, and whatever its clients look at. */
export function createMovableDate(): MovableDate {
  const RealDate = Date
  let offsetMs = 0
  const now = (): number => RealDate.now() + offsetMs
  const Moved = new Proxy(RealDate, {
    construct: (target, args: [], newTarget) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as object,
    get: (target, key, receiver) => (key === 'now' ? now : (Reflect.get(target, key, receiver) as unknown)),
  })
  return {
    move(byMs) {
      offsetMs = byMs
      globalThis.Date = Moved
    },
  }
}
