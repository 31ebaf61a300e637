/** One thing a person can do: whether it is under way, and what went wrong. */

import { useCallback, useState } from "react";

export interface Action<A extends unknown[]> {
  run: (...args: A) => void;
  busy: boolean;
  error: unknown;
}

export function useAction<A extends unknown[]>(act: (...args: A) => Promise<void>): Action<A> {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const run = useCallback(
    (...args: A) => {
      setBusy(true);
      setError(undefined);
      act(...args)
        .catch((reason: unknown) => setError(reason))
        .finally(() => setBusy(false));
    },
    [act],
  );
  return { run, busy, error };
}
