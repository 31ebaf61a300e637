/** What the player says of itself, in a row under the picture. */

import { SimpleGrid, Text } from "@mantine/core";
import { useEffect, useState } from "react";
import type { PlayerStats, SkyriverPlayer } from "../player";
import { formatBps, formatMs } from "../format";
import { useText } from "../i18n";

export function usePlayerStats(player: SkyriverPlayer | undefined): PlayerStats | undefined {
  const [stats, setStats] = useState<PlayerStats>();
  useEffect(() => {
    if (!player) return undefined;
    const take = (event: Event): void => setStats((event as CustomEvent<PlayerStats>).detail);
    player.addEventListener("stats", take);
    return () => player.removeEventListener("stats", take);
  }, [player]);
  return player ? stats : undefined;
}

export function PlayerFacts({ player }: { player: SkyriverPlayer | undefined }) {
  const stats = usePlayerStats(player);
  const t = useText();
  const facts: [string, string][] = [
    [t("edge_now"), stats?.edge_site || "–"],
    [t("latency"), stats?.state === "playing" ? formatMs(stats.latency_ms) : "–"],
    [t("graph_bitrate"), stats ? formatBps(stats.bitrate_bps) : "–"],
    [t("startup"), formatMs(stats?.startup_ms)],
    [t("switches"), String(stats?.switches ?? 0)],
    [t("stalls"), String(stats?.stalls ?? 0)],
  ];
  return (
    <SimpleGrid component="dl" cols={{ base: 3, xs: 6 }} spacing="xs" mt="sm" mb={0} data-testid="player-facts">
      {facts.map(([label, value]) => (
        <div key={label}>
          <Text component="dt" size="xs" c="dimmed" truncate>
            {label}
          </Text>
          <Text component="dd" m={0} size="sm" fw={600} truncate title={value}>
            {value}
          </Text>
        </div>
      ))}
    </SimpleGrid>
  );
}
