// Writes to the store, one after the other and never in the way of what is shown.

export interface WriteQueue {
  /** Add a write. One that fails is reported, and the next goes on. True: it is written. */
  add(write: () => Promise<void>): Promise<boolean>;
  /** Settles when everything that was added before has been written. */
  settled(): Promise<void>;
}

export function createWriteQueue(onFailure: (error: unknown) => void): WriteQueue {
  let last: Promise<void> = Promise.resolve();
  return {
    add(write) {
      const isWritten = last.then(write).then(
        () => true,
        (error) => {
          onFailure(error);
          return false;
        },
      );
      last = isWritten.then(() => undefined);
      return isWritten;
    },
    settled: () => last,
  };
}
