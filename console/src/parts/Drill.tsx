/**
 * The drill: kill a real process under this very player and tell what the player saw of it.
 *
 * The numbers are the player's own: the longest time without a new frame from any edge, how long one frame stayed on
 * the screen, and whether it moved to another edge.
 */

import { Alert, Button, Card, SimpleGrid, Text, Title } from "@mantine/core";
import { useCallback, useState } from "react";
import { request } from "../api/client";
import type { PlayerStats, SkyriverPlayer } from "../player";
import { useSession } from "../app/session";
import { useText } from "../i18n";
import { Icon } from "./Icon";
import { Trouble } from "./Trouble";
import { useAction } from "./useAction";

type Stage = "edge" | "transcoder" | "origin";

interface Result {
  stage: Stage;
  gap_ms: number;
  painted_ms: number;
  stalls: number;
  from: string;
  to: string;
}

/** An edge's gap is over after half a second, a restarted transcoder's after two. */
const WATCH_MS: Record<Stage, number> = { edge: 2500, transcoder: 5000, origin: 5000 };

const place = (stats: PlayerStats): string => stats.edge_site || stats.edge_node_id || stats.edge;

export function Drill({ channelId, player }: { channelId: string; player: SkyriverPlayer | undefined }) {
  const [result, setResult] = useState<Result>();
  const { me, may } = useSession();
  const t = useText();

  const kill = useCallback(
    async (stage: Stage) => {
      setResult(undefined);
      const before = player?.stats;
      if (!player || before?.state !== "playing") throw new Error(t("drill_needs_playing"));
      player.resetGaps();
      const body = { stage, ...(stage === "edge" ? { edge_node_id: before.edge_node_id } : {}) };
      await request(`/v1/channels/${channelId}/drill`, { method: "POST", body });
      await new Promise((resolve) => setTimeout(resolve, WATCH_MS[stage]));
      const after = player.stats;
      if (!after) return;
      setResult({
        stage,
        gap_ms: Math.round(after.gap_ms_max),
        painted_ms: Math.round(after.paint_gap_ms_max),
        stalls: after.stalls - before.stalls,
        from: place(before),
        to: place(after),
      });
    },
    [channelId, player, t],
  );
  const action = useAction(kill);
  if (!may("admin")) return null;

  const operator = me?.is_operator ?? false;
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb={4}>
        {t("drill")}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t("drill_hint")}
      </Text>
      <SimpleGrid cols={{ base: 1, xs: 3 }} spacing="xs" mb="sm">
        {operator && (
          <Button color="red" leftSection={<Icon name="bolt" />} loading={action.busy} onClick={() => action.run("edge")}>
            {t("drill_edge")}
          </Button>
        )}
        <Button color="red" variant="light" disabled={action.busy} onClick={() => action.run("transcoder")}>
          {t("drill_transcoder")}
        </Button>
        {operator && (
          <Button color="red" variant="light" disabled={action.busy} onClick={() => action.run("origin")}>
            {t("drill_origin")}
          </Button>
        )}
      </SimpleGrid>
      <div aria-live="polite">
        {action.busy && <Text size="sm">{t("drill_running")}</Text>}
        <Trouble error={action.error} />
        {result && <Report result={result} />}
      </div>
    </Card>
  );
}

function Report({ result }: { result: Result }) {
  const t = useText();
  const stage = t(`stage_${result.stage}`);
  const moved = result.from !== result.to;
  return (
    <Alert
      color={result.stalls === 0 ? "teal" : "orange"}
      icon={<Icon name={result.stalls === 0 ? "check" : "warning"} />}
      title={t("drill_result", { stage, gap: result.gap_ms, stalls: result.stalls })}
      data-testid="drill-result"
      data-gap-ms={result.gap_ms}
    >
      {t("drill_painted", { painted: result.painted_ms })}{" "}
      {moved ? t("drill_moved", { from: result.from, to: result.to }) : t("drill_stayed", { edge: result.to })}
    </Alert>
  );
}
