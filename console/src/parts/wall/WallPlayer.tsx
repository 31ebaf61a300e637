/** The player as small as it goes: the lowest rendition, without controls, and not counted as a viewer's. */

import { useEffect, useRef } from "react";
import { ticketsFrom } from "../../api/early";
import type { SkyriverPlayer } from "../../player";

export function WallPlayer({ ticketPath, muted }: { ticketPath: string; muted: boolean }) {
  const frame = useRef<HTMLDivElement>(null);
  const element = useRef<SkyriverPlayer | undefined>(undefined);
  const isMuted = useRef(muted);

  useEffect(() => {
    let gone = false;
    void import("../../player").then(({ SkyriverPlayer }) => {
      if (gone) return;
      const player = new SkyriverPlayer();
      player.setAttribute("max-rendition", "lowest");
      player.setAttribute("controls", "off");
      player.setAttribute("beacons", "off");
      player.tabIndex = -1;
      player.tickets = ticketsFrom(ticketPath);
      element.current = player;
      frame.current?.append(player);
      player.muted = isMuted.current;
    });
    return () => {
      gone = true;
      element.current?.remove();
      element.current = undefined;
    };
  }, [ticketPath]);

  useEffect(() => {
    isMuted.current = muted;
    if (element.current) element.current.muted = muted;
  }, [muted]);

  return <div ref={frame} className="tile-player" />;
}
