/** Whether the public demo is there: yes until its player is told that there is no such channel. */

import { useCallback, useState } from "react";
import type { SkyriverPlayer } from "../player";

export function useHasDemo(): [boolean, (player: SkyriverPlayer | undefined) => void, SkyriverPlayer | undefined] {
  const [has, setHas] = useState(true);
  const [player, setPlayer] = useState<SkyriverPlayer>();
  const onPlayer = useCallback((made: SkyriverPlayer | undefined) => {
    setPlayer(made);
    made?.addEventListener("statechange", (event) => {
      const { detail } = event as CustomEvent<{ detail: string }>;
      if (detail.detail === "not_found") setHas(false);
    });
  }, []);
  return [has, onPlayer, player];
}
