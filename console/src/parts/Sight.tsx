/** What is seen of a channel: its inputs, how they arrive, the sound, each stage's delay, and how viewers watch. */

import { Badge, Card, Group, SimpleGrid, Stack, Table, Text, Title } from "@mantine/core";
import { useEffect, useState } from "react";
import { request } from "../api/client";
import { useSightEvent } from "../api/live";
import type { Channel, ChannelSight, SeenInput } from "../api/types";
import { formatBps, formatMs } from "../format";
import { isTextKey, useText } from "../i18n";
import { InputSwitch } from "./InputSwitch";
import { Meter } from "./wall/Meter";

const READ_MS = 3000;

function useSight(channelId: string): ChannelSight | undefined {
  const [sight, setSight] = useState<ChannelSight>();
  useEffect(() => {
    const abort = new AbortController();
    const read = (): void => {
      if (document.hidden) return;
      request<ChannelSight>(`/v1/channels/${channelId}/sight`, { signal: abort.signal }).then(setSight, () => undefined);
    };
    read();
    const timer = setInterval(read, READ_MS);
    return () => {
      abort.abort();
      clearInterval(timer);
    };
  }, [channelId]);
  return sight;
}

export function Sight({ channel }: { channel: Channel }) {
  const t = useText();
  const sight = useSight(channel.id);
  const now = useSightEvent(channel.id);
  if (!sight) return null;
  const sound = now?.sound ?? sight.sound;
  const states = now?.detectors ?? sight.detectors;
  return (
    <Card withBorder data-testid="sight">
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">{t("sight")}</Title>
        <InputSwitch channel={channel} />
      </Group>
      <SimpleGrid cols={{ base: 1, sm: 2, lg: 4 }}>
        <Stack gap={6}>
          <Text size="sm" fw={600}>{t("sight_inputs")}</Text>
          {sight.inputs.length === 0 && <Text size="sm" c="dimmed">{sight.on_slate ? t("sight_slate") : "–"}</Text>}
          {sight.inputs.map((input) => (
            <InputLine key={input.name} input={input} />
          ))}
          {sight.arrivals && (
            <Facts
              rows={[
                [t("sight_usual"), sight.arrivals.usual_bitrate_bps ? formatBps(sight.arrivals.usual_bitrate_bps) : "–"],
                [t("sight_fps"), `${sight.arrivals.fps.toFixed(0)}${sight.arrivals.usual_fps ? ` / ${sight.arrivals.usual_fps.toFixed(0)}` : ""}`],
                [t("sight_gop"), formatMs(sight.arrivals.gop_ms)],
              ]}
            />
          )}
        </Stack>
        <Stack gap={6}>
          <Text size="sm" fw={600}>{t("sight_sound")}</Text>
          {sound ? (
            <>
              <Meter levels={sound.levels_dbfs} label={t("wall_sound")} />
              <Facts
                rows={[
                  [t("sight_momentary"), lufs(sound.momentary_lufs)],
                  [t("sight_short_term"), lufs(sound.short_term_lufs)],
                  [t("sight_integrated"), lufs(sound.integrated_lufs)],
                ]}
              />
            </>
          ) : (
            <Text size="sm" c="dimmed">–</Text>
          )}
          <Group gap={4}>
            {Object.entries(states).map(([name, wrong]) => {
              const key = `detector_${name}`;
              return (
                <Badge key={name} size="xs" tt="none" variant={wrong ? "filled" : "outline"} color={wrong ? "red" : "gray"}>
                  {isTextKey(key) ? t(key) : name}
                </Badge>
              );
            })}
          </Group>
        </Stack>
        <Stack gap={6}>
          <Text size="sm" fw={600}>{t("sight_delays")}</Text>
          <Facts
            rows={[
              ...sight.stages.map((stage): [string, string] => {
                const key = `graph_${stage.name}`;
                return [isTextKey(key) ? t(key) : stage.name, stage.delay_ms === null ? "–" : formatMs(Math.max(0, stage.delay_ms))];
              }),
              ...sight.renditions.map((rendition): [string, string] => [
                rendition.name,
                `${formatMs(Math.max(0, rendition.delay_ms))} · max ${formatMs(Math.max(0, rendition.delay_max_ms))}`,
              ]),
            ]}
          />
        </Stack>
        <Stack gap={6}>
          <Text size="sm" fw={600}>{t("sight_viewers")}</Text>
          <Shares title={t("by_site")} shares={sight.viewers.by_site} />
          <Shares title={t("by_protocol")} shares={sight.viewers.by_protocol} />
          <Shares title={t("by_rendition")} shares={sight.viewers.by_rendition} />
          <Text size="xs" c="dimmed">{t("sight_viewers_hint")}</Text>
        </Stack>
      </SimpleGrid>
    </Card>
  );
}

function InputLine({ input }: { input: SeenInput }) {
  const t = useText();
  const key = `input_${input.name}`;
  return (
    <div>
      <Group gap={6}>
        <Text size="sm">{isTextKey(key) ? t(key) : input.name}</Text>
        {input.active && <Badge size="xs" color="teal" tt="none">{t("input_on_show")}</Badge>}
        <Text size="xs" c="dimmed">{input.site}</Text>
      </Group>
      <Text size="xs" c="dimmed">
        {`${input.width}×${input.height} · ${input.fps.toFixed(1)} fps · ${formatBps(input.bitrate_bps)} · ${input.audio || "–"}`}
      </Text>
      <Text size="xs" c="dimmed">
        {[
          input.gop_s != null && `GOP ${input.gop_s.toFixed(1)} s`,
          input.drift_ms != null && t("input_drift", { ms: input.drift_ms.toFixed(0) }),
          input.clock_jumps > 0 && t("input_jumps", { count: input.clock_jumps }),
          input.loss_percent != null && t("input_loss", { percent: input.loss_percent.toFixed(2) }),
          input.rtt_ms != null && `RTT ${input.rtt_ms.toFixed(0)} ms`,
        ].filter(Boolean).join(" · ")}
      </Text>
    </div>
  );
}

const lufs = (value: number | null | undefined): string => (value == null ? "–" : `${value.toFixed(1)} LUFS`);

function Facts({ rows }: { rows: [string, string][] }) {
  return (
    <Table withRowBorders={false} verticalSpacing={1} horizontalSpacing={0}>
      <Table.Tbody>
        {rows.map(([name, value]) => (
          <Table.Tr key={name}>
            <Table.Td><Text size="sm" c="dimmed">{name}</Text></Table.Td>
            <Table.Td ta="right"><Text size="sm">{value}</Text></Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

function Shares({ title, shares }: { title: string; shares: Record<string, number> }) {
  const entries = Object.entries(shares);
  if (entries.length === 0) return null;
  return (
    <Text size="sm">
      <Text span c="dimmed" size="sm">{`${title}: `}</Text>
      {entries.map(([name, count]) => `${name || "–"} ${Number.isInteger(count) ? count : count.toFixed(1)}`).join(" · ")}
    </Text>
  );
}
