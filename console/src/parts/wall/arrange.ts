/** Who gets a picture on the wall, and how many tiles stand in a row. */

import type { Alarm, Channel, ChannelState } from "../../api/types";

/** A picture of the lowest rendition costs a browser some per cent of a core; more than this is no use to anybody. */
export const PICTURES_MAX = 16;

/** One page of the wall: its channels, how many alarms they have, and what it is called: from one place to another. */
export interface WallPage {
  from: number;
  to: number;
  channels: Channel[];
  alarms: number;
}

/** All pages, each with as many channels as there can be pictures; one empty page where there are no channels. */
export function pagesOf(
  channels: readonly Channel[],
  own: ReadonlyMap<string, readonly Alarm[]>,
  size = PICTURES_MAX,
): WallPage[] {
  const pages: WallPage[] = [];
  for (let from = 0; from < channels.length || from === 0; from += size) {
    const shown = channels.slice(from, from + size);
    const alarms = shown.reduce((sum, { id }) => sum + (own.get(id)?.length ?? 0), 0);
    pages.push({ from: Math.min(from + 1, channels.length), to: from + shown.length, channels: shown, alarms });
  }
  return pages;
}

/** Alarms by channel. */
export function byChannel(alarms: readonly Alarm[]): Map<string, Alarm[]> {
  const found = new Map<string, Alarm[]>();
  for (const alarm of alarms) {
    if (alarm.subject.kind !== "channel") continue;
    const own = found.get(alarm.subject.id);
    if (own) own.push(alarm);
    else found.set(alarm.subject.id, [alarm]);
  }
  return found;
}

/**
 * The channels that play. Tiles never move, people find them by place; but where there are more running channels than
 * room for pictures, those with alarms come first.
 */
export function playing(
  channels: readonly Channel[],
  stateOf: (channel: Channel) => ChannelState,
  troubled: ReadonlySet<string>,
  limit = PICTURES_MAX,
): Set<string> {
  const running = channels.filter((channel) => stateOf(channel) !== "offline");
  const first = [...running.filter((c) => troubled.has(c.id)), ...running.filter((c) => !troubled.has(c.id))];
  return new Set(first.slice(0, limit).map((channel) => channel.id));
}

/** Where the focus goes from tile `index` of `count` in rows of `columns`. */
export function neighbour(index: number, key: string, count: number, columns: number): number | undefined {
  const steps: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  const step = steps[key];
  if (step === undefined) return undefined;
  const next = index + step;
  return next >= 0 && next < count ? next : undefined;
}
