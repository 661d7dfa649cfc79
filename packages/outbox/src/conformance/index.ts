/* The door for authors of stores: the suite that tells whether theirs keeps every promise of the ports. */
export { storeConformanceCases } from './storeConformanceCases.js'
export type { StoreConformanceCase } from './storeCase.js'
export type {
  OpenStore,
  OpenStoreOptions,
  OutsideHandle,
  StoreSetup,
  StoreTiming,
  StoreTransaction,
} from './storeSetup.js'
