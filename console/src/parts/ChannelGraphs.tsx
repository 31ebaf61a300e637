/** What happens in a channel, over the last two minutes. */

import { Card, SimpleGrid, Text, Title } from "@mantine/core";
import { useEffect, useMemo, useState } from "react";
import { useChannelHistory, type HistoryPoint } from "../api/live";
import type { PlayerStats, SkyriverPlayer } from "../player";
import { formatBps, formatMs } from "../format";
import { useText } from "../i18n";
import { LiveChart, type Line } from "./LiveChart";

/** Latencies the player measured, by second, to stand beside the cloud's own numbers. */
function usePlayerLatency(player: SkyriverPlayer | undefined): ReadonlyMap<number, number> {
  const [latencies, setLatencies] = useState<ReadonlyMap<number, number>>(new Map());
  useEffect(() => {
    if (!player) return undefined;
    const onStats = (event: Event): void => {
      const stats = (event as CustomEvent<PlayerStats>).detail;
      if (stats.state !== "playing") return;
      setLatencies((before) => new Map([...before].slice(-150)).set(second(Date.now()), stats.latency_ms));
    };
    player.addEventListener("stats", onStats);
    return () => player.removeEventListener("stats", onStats);
  }, [player]);
  return latencies;
}

const formatCount = (value: number): string => String(Math.round(value));
const second = (ms: number): number => Math.round(ms / 1000);

function siteNames(history: readonly HistoryPoint[]): string[] {
  return [...new Set(history.flatMap((point) => Object.keys(point.event.viewers_by_site)))].sort();
}

export default function ChannelGraphs({ channelId, player }: { channelId: string; player: SkyriverPlayer | undefined }) {
  const history = useChannelHistory(channelId);
  const glass = usePlayerLatency(player);
  const t = useText();
  const times = useMemo(() => history.map((point) => point.at_ms / 1000), [history]);
  const bitrate = useMemo<Line[]>(
    () => [
      { label: t("graph_in"), values: history.map((p) => p.event.ingress_bps) },
      { label: t("graph_out"), values: history.map((p) => p.event.egress_bps) },
    ],
    [history, t],
  );
  const viewers = useMemo<Line[]>(() => {
    const sites = siteNames(history);
    if (sites.length === 0) return [{ label: t("viewers"), values: history.map((p) => p.event.viewers) }];
    return sites.map((site) => ({ label: site, values: history.map((p) => p.event.viewers_by_site[site] ?? 0) }));
  }, [history, t]);
  const latency = useMemo<Line[]>(
    () => [
      { label: t("graph_glass"), values: history.map((p) => glass.get(second(p.at_ms)) ?? glass.get(second(p.at_ms) - 1) ?? null) },
      { label: t("graph_station"), values: history.map((p) => duration(p.event.latency_ms.station)) },
      { label: t("graph_transcode"), values: history.map((p) => duration(p.event.latency_ms.transcode)) },
    ],
    [history, glass, t],
  );
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb={4}>
        {t("graphs")}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t("graph_waiting")}
      </Text>
      <SimpleGrid cols={{ base: 1, lg: 3 }}>
        <Graph title={t("graph_bitrate")} times={times} lines={bitrate} format={formatBps} />
        <Graph title={t("graph_viewers")} times={times} lines={viewers} format={formatCount} whole />
        <Graph title={t("graph_latency")} times={times} lines={latency} format={formatMs} />
      </SimpleGrid>
    </Card>
  );
}

/** Differences of two clocks may come out below zero; nothing takes less than no time. */
function duration(ms: number | null): number | null {
  return ms === null ? null : Math.max(0, ms);
}

interface GraphProps {
  title: string;
  times: number[];
  lines: Line[];
  format: (value: number) => string;
  whole?: boolean;
}

function Graph({ title, ...chart }: GraphProps) {
  return (
    <div>
      <Text fw={600} size="sm" mb={4}>
        {title}
      </Text>
      <LiveChart {...chart} label={title} />
    </div>
  );
}
