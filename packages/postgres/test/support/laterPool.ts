import type pg from 'pg'

/** Stands for a pool that is there when a case runs, and not yet when the cases are listed. */
export function laterPool(find: () => pg.Pool): pg.Pool {
  return new Proxy({} as pg.Pool, {
    get: (_, name) => {
      const pool = find()
      const value: unknown = Reflect.get(pool, name)
      return typeof value === 'function' ? (value.bind(pool) as unknown) : value
    },
  })
}
