/**
 * Live data over server-sent events, kept for every component that wants it: the last overview, the last event of
 * each channel with two minutes of history, the last incidents, the open alarms.
 */

import { useCallback, useSyncExternalStore } from "react";
import { page } from "./client";
import type { Alarm, ChannelEvent, Incident, Overview, SightEvent } from "./types";

const HISTORY_POINTS = 120;
const INCIDENTS = 50;
/** EventSource reconnects by itself unless the server answered with an error; then we do. */
const RECONNECT_MS = 3000;

export interface HistoryPoint {
  at_ms: number;
  event: ChannelEvent;
}

class LiveData {
  overview: Overview | undefined;
  incidents: readonly Incident[] = [];
  /** Open ones, the gravest and newest first. */
  alarms: readonly Alarm[] = [];
  connected = false;
  private readonly channels = new Map<string, ChannelEvent>();
  private readonly histories = new Map<string, readonly HistoryPoint[]>();
  private readonly sights = new Map<string, SightEvent>();
  private readonly listeners = new Set<() => void>();
  private source: EventSource | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;

  channel(id: string): ChannelEvent | undefined {
    return this.channels.get(id);
  }

  sight(id: string): SightEvent | undefined {
    return this.sights.get(id);
  }

  history(id: string): readonly HistoryPoint[] {
    return this.histories.get(id) ?? NO_HISTORY;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  open(): void {
    if (this.source) return;
    const source = new EventSource("/v1/events");
    this.source = source;
    source.onopen = () => {
      this.setConnected(true);
      void this.readAlarms();
    };
    source.onerror = () => {
      this.setConnected(false);
      if (source.readyState !== EventSource.CLOSED) return;
      this.source = undefined;
      this.retry = setTimeout(() => this.open(), RECONNECT_MS);
    };
    this.on<Overview>("overview", (overview) => (this.overview = overview));
    this.on<Incident>("incident", (incident) => (this.incidents = [incident, ...this.incidents].slice(0, INCIDENTS)));
    this.on<Alarm>("alarm", (alarm) => this.takeAlarm(alarm));
    this.on<SightEvent>("sight", (sight) => this.sights.set(sight.id, sight));
    this.on<ChannelEvent>("channel", (event) => {
      this.channels.set(event.id, event);
      const history = [...this.history(event.id), { at_ms: Date.now(), event }];
      this.histories.set(event.id, history.slice(-HISTORY_POINTS));
    });
  }

  close(): void {
    clearTimeout(this.retry);
    this.source?.close();
    this.source = undefined;
    this.overview = undefined;
    this.incidents = [];
    this.alarms = [];
    this.channels.clear();
    this.sights.clear();
    this.histories.clear();
    this.setConnected(false);
  }

  /** What an action's answer or an event says of one alarm. */
  takeAlarm(alarm: Alarm): void {
    const others = this.alarms.filter((other) => other.id !== alarm.id);
    this.alarms = alarm.cleared_at === null ? [...others, alarm].sort(byGravity) : others;
    this.tell();
  }

  /** Events tell changes; what was open before the stream began has to be asked for, after every interruption. */
  private async readAlarms(): Promise<void> {
    try {
      const open = await page<Alarm>("/v1/alarms?limit=200");
      this.alarms = [...open.items].sort(byGravity);
      this.tell();
    } catch {
      // The stream tells what is new; the next connection asks again.
    }
  }

  private on<T>(name: string, take: (data: T) => void): void {
    this.source?.addEventListener(name, (message: MessageEvent<string>) => {
      take(JSON.parse(message.data) as T);
      this.tell();
    });
  }

  private setConnected(connected: boolean): void {
    this.connected = connected;
    this.tell();
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}

const GRAVITY = { critical: 0, warning: 1 } as const;

function byGravity(one: Alarm, other: Alarm): number {
  return GRAVITY[one.severity] - GRAVITY[other.severity] || other.raised_at.localeCompare(one.raised_at);
}

const NO_HISTORY: readonly HistoryPoint[] = [];

export const live = new LiveData();

function useLive<T>(read: () => T): T {
  return useSyncExternalStore(live.subscribe, read);
}

export const useOverview = (): Overview | undefined => useLive(() => live.overview);
export const useIncidents = (): readonly Incident[] => useLive(() => live.incidents);
export const useAlarms = (): readonly Alarm[] => useLive(() => live.alarms);
export const useConnected = (): boolean => useLive(() => live.connected);

export function useChannelEvent(id: string | undefined): ChannelEvent | undefined {
  return useLive(useCallback(() => (id ? live.channel(id) : undefined), [id]));
}

export function useSightEvent(id: string | undefined): SightEvent | undefined {
  return useLive(useCallback(() => (id ? live.sight(id) : undefined), [id]));
}

export function useChannelHistory(id: string): readonly HistoryPoint[] {
  return useLive(useCallback(() => live.history(id), [id]));
}
