/**
 * The runbook of a channel, and its drills: what carries each stage, who takes over, and killing it under this player.
 *
 * The numbers are the player's own: the longest time without a new frame from any edge, how long one frame stayed on
 * the screen, and whether it moved to another edge. Each is shown against the stage's goal.
 */

import { Alert, Badge, Box, Button, Card, Group, Table, Text, Title } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useCallback, useEffect, useState } from "react";
import { request } from "../api/client";
import { useSession } from "../app/session";
import { useText } from "../i18n";
import type { PlayerStats, SkyriverPlayer } from "../player";
import { Icon } from "./Icon";
import { Trouble } from "./Trouble";
import { useAction } from "./useAction";

type Stage = "station" | "transcoder" | "standby" | "origin" | "edge" | "delivery" | "recorder";

interface Line {
  stage: Stage;
  running: boolean;
  protected: boolean;
  goal_ms: number;
  may_kill: boolean;
  site: string | null;
}

interface Result {
  stage: Stage;
  gap_ms: number;
  goal_ms: number;
  painted_ms: number;
  stalls: number;
  from: string;
  to: string;
}

const RELOAD_MS = 5000;
/** Look longer than the goal, so that a miss is measured and not cut off. */
const watchMs = (line: Line): number => Math.max(2500, line.goal_ms * 2);

const place = (stats: PlayerStats): string => stats.edge_site || stats.edge_node_id || stats.edge;

export function Drill({ channelId, player }: { channelId: string; player: SkyriverPlayer | undefined }) {
  const [results, setResults] = useState<Partial<Record<Stage, Result>>>({});
  const [last, setLast] = useState<Result>();
  const lines = useRunbook(channelId);
  const { may } = useSession();
  const t = useText();

  const kill = useCallback(
    async (line: Line) => {
      setLast(undefined);
      const before = player?.stats;
      if (!player || before?.state !== "playing") throw new Error(t("drill_needs_playing"));
      player.resetGaps();
      const body = { stage: line.stage, ...(line.stage === "edge" ? { edge_node_id: before.edge_node_id } : {}) };
      await request(`/v1/channels/${channelId}/drill`, { method: "POST", body });
      await new Promise((resolve) => setTimeout(resolve, watchMs(line)));
      const after = player.stats;
      if (!after) return;
      const result = {
        stage: line.stage,
        gap_ms: Math.round(after.gap_ms_max),
        goal_ms: line.goal_ms,
        painted_ms: Math.round(after.paint_gap_ms_max),
        stalls: after.stalls - before.stalls,
        from: place(before),
        to: place(after),
      };
      setResults((known) => ({ ...known, [line.stage]: result }));
      setLast(result);
    },
    [channelId, player, t],
  );
  const action = useAction(kill);
  if (!may("admin")) return null;

  const shown = lines.filter((line) => line.running && line.may_kill);
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb={4}>
        {t("drill")}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t("drill_hint")}
      </Text>
      {shown.length === 0 && <Text size="sm">{t("drill_nothing_runs")}</Text>}
      {shown.length > 0 && (
        <Table.ScrollContainer minWidth={280}>
          <Table verticalSpacing={6}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t("drill_stage")}</Table.Th>
                <Table.Th visibleFrom="sm">{t("drill_when_it_dies")}</Table.Th>
                <Table.Th ta="right">{t("drill_goal")}</Table.Th>
                <Table.Th ta="right" visibleFrom="sm">
                  {t("drill_measured")}
                </Table.Th>
                <Table.Th />
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {shown.map((line) => (
                <StageRow
                  key={line.stage}
                  line={line}
                  result={results[line.stage]}
                  busy={action.busy}
                  onKill={() => action.run(line)}
                />
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
      <div aria-live="polite">
        {action.busy && <Text size="sm">{t("drill_running")}</Text>}
        <Trouble error={action.error} />
        {last && <Report result={last} />}
      </div>
    </Card>
  );
}

/** The runbook as it is now; nodes and standbys come and go. */
function useRunbook(channelId: string): Line[] {
  const [lines, setLines] = useState<Line[]>([]);
  useEffect(() => {
    const load = () =>
      void request<{ stages: Line[] }>(`/v1/channels/${channelId}/runbook`).then(
        (found) => setLines(found.stages),
        () => undefined, // the page says elsewhere that the cloud cannot be reached
      );
    load();
    const timer = setInterval(load, RELOAD_MS);
    return () => clearInterval(timer);
  }, [channelId]);
  return lines;
}

interface RowProps {
  line: Line;
  result: Result | undefined;
  busy: boolean;
  onKill: () => void;
}

function StageRow({ line, result, busy, onKill }: RowProps) {
  const t = useText();
  const wide = useMediaQuery("(min-width: 48em)", true);
  const stage = t(`stage_${line.stage}`);
  const kept = result !== undefined && result.gap_ms <= result.goal_ms;
  const outcome = (
    <Badge variant="light" color={line.protected ? "teal" : "yellow"} tt="none">
      {t(line.protected ? "drill_protected" : "drill_restarts")}
    </Badge>
  );
  const measured = result && (
    <Group gap={4} justify="flex-end" wrap="nowrap" c={kept ? "teal" : "orange"}>
      <Icon name={kept ? "check" : "warning"} />
      {t("milliseconds", { ms: result.gap_ms })}
    </Group>
  );
  return (
    <Table.Tr>
      <Table.Td>
        {stage}
        <Text size="xs" c="dimmed">
          {line.site}
        </Text>
        <Box hiddenFrom="sm">{outcome}</Box>
      </Table.Td>
      <Table.Td visibleFrom="sm">{outcome}</Table.Td>
      <Table.Td ta="right" style={{ whiteSpace: "nowrap" }}>
        {t("milliseconds", { ms: line.goal_ms })}
        <Box hiddenFrom="sm">{measured}</Box>
      </Table.Td>
      <Table.Td ta="right" visibleFrom="sm" style={{ whiteSpace: "nowrap" }}>
        {measured}
      </Table.Td>
      <Table.Td ta="right">
        <Button
          size="compact-sm"
          color="red"
          variant={line.stage === "edge" ? "filled" : "light"}
          disabled={busy}
          onClick={onKill}
          aria-label={line.stage === "edge" ? t("drill_edge") : t("drill_kill_stage", { stage })}
        >
          {line.stage === "edge" && wide ? t("drill_edge") : t("drill_kill")}
        </Button>
      </Table.Td>
    </Table.Tr>
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
