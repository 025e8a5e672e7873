// Writes to the store, one after the other and never in the way of what is shown.

export interface WriteQueue {
  /** Add a write. One that fails is reported, and the next goes on. */
  add(write: () => Promise<void>): void;
  /** Settles when everything that was added before has been written. */
  settled(): Promise<void>;
}

export function createWriteQueue(onFailure: (error: unknown) => void): WriteQueue {
  let last: Promise<void> = Promise.resolve();
  return {
    add(write) {
      last = last.then(write).catch(onFailure);
    },
    settled: () => last,
  };
}
