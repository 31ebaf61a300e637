/** The wall of a control room: every channel as a tile, what is wrong beside it. Dark, and without the console's frame. */

import { useCallback, useEffect, useMemo, useRef, useState, type KeyboardEvent } from "react";
import { Link, useLocation } from "wouter";
import { page } from "../api/client";
import { live, useAlarms, useConnected } from "../api/live";
import type { Channel } from "../api/types";
import { useSpeech, useText } from "../i18n";
import { AlarmList } from "../parts/AlarmList";
import { Logo } from "../parts/Logo";
import { Trouble } from "../parts/Trouble";
import { byChannel, neighbour, pagesOf, playing, type WallPage } from "../parts/wall/arrange";
import { Tile } from "../parts/wall/Tile";
import "../parts/wall/wall.css";

/** How often channels are asked for anew: new ones appear, removed ones go. States come by events. */
const READ_MS = 30_000;

function useChannels(): { channels: Channel[]; error: unknown } {
  const [channels, setChannels] = useState<Channel[]>([]);
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    let gone = false;
    const read = async (): Promise<void> => {
      try {
        const found: Channel[] = [];
        let cursor: string | null = null;
        do {
          const next: { items: Channel[]; next_cursor: string | null } = await page<Channel>("/v1/channels?limit=200", cursor);
          found.push(...next.items);
          cursor = next.next_cursor;
        } while (cursor);
        if (gone) return;
        setChannels(found.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true })));
        setError(undefined);
      } catch (reason) {
        if (!gone) setError(reason);
      }
    };
    void read();
    const timer = setInterval(() => void read(), READ_MS);
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, []);
  return { channels, error };
}

export default function Wall() {
  const t = useText();
  const [, go] = useLocation();
  const { channels, error } = useChannels();
  const alarms = useAlarms();
  const [heard, setHeard] = useState<string>();
  const [panel, setPanel] = useState(true);
  const wall = useRef<HTMLDivElement>(null);
  const grid = useRef<HTMLDivElement>(null);
  const own = useMemo(() => byChannel(alarms), [alarms]);
  const pages = useMemo(() => pagesOf(channels, own), [channels, own]);
  const [chosen, setChosen] = useState(0);
  const at = Math.min(chosen, pages.length - 1); // channels may have gone
  const shown = pages[at]?.channels ?? NO_CHANNELS;
  const running = shown.map((channel) => live.channel(channel.id)?.state ?? channel.state).join();
  const plays = useMemo(
    () => playing(shown, (channel) => live.channel(channel.id)?.state ?? channel.state, new Set(own.keys())),
    // eslint-disable-next-line react-hooks/exhaustive-deps -- `running` stands for the states that are read inside
    [shown, own, running],
  );
  const open = useCallback((slug: string) => go(`/channels/${slug}`), [go]);
  const hear = useCallback((id: string) => setHeard((before) => (before === id ? undefined : id)), []);
  const fullscreen = useCallback(() => {
    if (document.fullscreenElement) void document.exitFullscreen();
    else void wall.current?.requestFullscreen();
  }, []);

  const onKey = (key: KeyboardEvent): void => {
    const tiles = [...(grid.current?.querySelectorAll<HTMLElement>(".tile") ?? [])];
    const index = tiles.indexOf(document.activeElement as HTMLElement);
    if (key.key === "f" && !(key.target instanceof HTMLInputElement)) fullscreen();
    const turned = { PageDown: at + 1, PageUp: at - 1 }[key.key];
    if (turned !== undefined && turned >= 0 && turned < pages.length) {
      key.preventDefault();
      setChosen(turned);
      return;
    }
    if (index < 0 || !grid.current) return;
    const columns = getComputedStyle(grid.current).gridTemplateColumns.split(" ").length;
    const next = neighbour(index, key.key, tiles.length, columns);
    if (next === undefined) return;
    key.preventDefault();
    tiles[next]?.focus();
  };

  const critical = alarms.filter((alarm) => alarm.severity === "critical" && !alarm.acknowledged_at).length;
  return (
    <div className="wall" ref={wall} data-mantine-color-scheme="dark" onKeyDown={onKey}>
      <header className="wall-head">
        <Link href="/" className="wall-home" aria-label={t("to_overview")}>
          <Logo />
        </Link>
        <span className={critical > 0 ? "wall-count critical" : "wall-count"} role="status">
          {t("wall_alarms", { count: alarms.length, critical })}
        </span>
        {pages.length > 1 && <Pages pages={pages} at={at} onTurn={setChosen} />}
        <Clock />
        <button type="button" aria-pressed={panel} onClick={() => setPanel(!panel)}>{t("alarms")}</button>
        <button type="button" onClick={fullscreen}>{t("wall_fullscreen")}</button>
      </header>
      {error !== undefined && <Trouble error={error} />}
      <div className={panel ? "wall-body with-panel" : "wall-body"}>
        <main className="wall-grid" ref={grid} aria-label={t("channels")}>
          {shown.map((channel) => (
            <Tile
              key={channel.id}
              channel={channel}
              alarms={own.get(channel.id) ?? NO_ALARMS}
              plays={plays.has(channel.id)}
              heard={heard === channel.id}
              onHear={hear}
              onOpen={open}
            />
          ))}
          {channels.length === 0 && error === undefined && <p className="wall-empty">{t("none_yet")}</p>}
        </main>
        {panel && (
          <aside className="wall-panel" aria-label={t("alarms")}>
            <AlarmList alarms={alarms} />
          </aside>
        )}
      </div>
    </div>
  );
}

const NO_ALARMS: never[] = [];
const NO_CHANNELS: Channel[] = [];

/** A button for each page, by its place; one whose channels have alarms says so. */
function Pages({ pages, at, onTurn }: { pages: WallPage[]; at: number; onTurn: (page: number) => void }) {
  const t = useText();
  const count = pages.at(-1)?.to ?? 0;
  return (
    <nav className="wall-pages" aria-label={t("wall_pages")}>
      {pages.map(({ from, to, alarms }, index) => (
        <button
          key={from}
          type="button"
          className={alarms > 0 ? "troubled" : ""}
          aria-current={index === at ? "page" : undefined}
          aria-pressed={index === at}
          aria-label={t(alarms > 0 ? "wall_page_trouble" : "wall_page", { from, to, count, alarms })}
          title={t(alarms > 0 ? "wall_page_trouble" : "wall_page", { from, to, count, alarms })}
          onClick={() => onTurn(index)}
        >
          {from}–{to}
        </button>
      ))}
    </nav>
  );
}

function Clock() {
  const { language, t } = useSpeech();
  const connected = useConnected();
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), 1000);
    return () => clearInterval(timer);
  }, []);
  if (!connected) return <span className="wall-clock lost" role="status">{t("live_data_lost")}</span>;
  return <time className="wall-clock">{now.toLocaleTimeString(language === "zh" ? "zh-CN" : "en-GB")}</time>;
}
