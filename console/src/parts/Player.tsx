/** The player element inside React: made once, kept while the page lives. */

import { useEffect, useRef } from "react";
import type { SkyriverPlayer } from "../player";
import { useSpeech } from "../i18n";
import { ticketsFrom } from "../api/early";

interface Props {
  /** Where tickets for the channel are asked for. */
  ticketPath: string;
  /** The element, for those who want its statistics and events; undefined when it is gone. */
  onPlayer?: (player: SkyriverPlayer | undefined) => void;
}

export function Player({ ticketPath, onPlayer }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const element = useRef<SkyriverPlayer | undefined>(undefined);
  const { language } = useSpeech();
  const firstLanguage = useRef(language);

  useEffect(() => {
    let gone = false;
    void import("../player").then(({ SkyriverPlayer }) => {
      if (gone) return;
      const player = new SkyriverPlayer();
      player.lang = firstLanguage.current;
      player.tickets = ticketsFrom(ticketPath);
      element.current = player;
      frame.current?.append(player);
      onPlayer?.(player);
    });
    return () => {
      gone = true;
      element.current?.remove();
      element.current = undefined;
      onPlayer?.(undefined);
    };
  }, [ticketPath, onPlayer]);

  useEffect(() => {
    firstLanguage.current = language;
    if (element.current) element.current.lang = language;
  }, [language]);

  return <div ref={frame} className="player-frame" style={{ aspectRatio: "16 / 9" }} />;
}
