/** A list of the API, page by page. */

import { useCallback, useEffect, useState } from "react";
import { page } from "../api/client";

export interface List<T> {
  items: T[] | undefined;
  error: unknown;
  hasMore: boolean;
  more: () => void;
  reload: () => void;
}

export function useList<T>(path: string): List<T> {
  const [items, setItems] = useState<T[]>();
  const [cursor, setCursor] = useState<string | null>(null);
  const [error, setError] = useState<unknown>();
  const [round, setRound] = useState(0);

  useEffect(() => {
    const abort = new AbortController();
    page<T>(path, null, abort.signal).then(
      (first) => {
        setError(undefined);
        setItems(first.items);
        setCursor(first.next_cursor);
      },
      (reason: unknown) => {
        if (!abort.signal.aborted) setError(reason);
      },
    );
    return () => abort.abort();
  }, [path, round]);

  const more = useCallback(() => {
    page<T>(path, cursor).then((next) => {
      setItems((before) => [...(before ?? []), ...next.items]);
      setCursor(next.next_cursor);
    }, setError);
  }, [path, cursor]);

  const reload = useCallback(() => setRound((n) => n + 1), []);
  return { items, error, hasMore: cursor !== null, more, reload };
}
