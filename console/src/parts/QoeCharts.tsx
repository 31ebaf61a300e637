/** How it was for viewers, as their players told it: by minute, over the last hour or day. */

import { Card, Group, SegmentedControl, SimpleGrid, Table, Text, Title } from "@mantine/core";
import { useEffect, useMemo, useState } from "react";
import { request } from "../api/client";
import type { Qoe, QoeFigures } from "../api/types";
import { formatMs } from "../format";
import { useText } from "../i18n";
import { LiveChart, type Line } from "./LiveChart";
import { Numbers } from "./Numbers";

const SPANS_MS = { hour: 3_600_000, day: 86_400_000 } as const;
type Span = keyof typeof SPANS_MS;
const READ_MS = 15_000;

export default function QoeCharts({ channelId }: { channelId: string }) {
  const t = useText();
  const [span, setSpan] = useState<Span>("hour");
  const [qoe, setQoe] = useState<Qoe>();
  useEffect(() => {
    const abort = new AbortController();
    const read = (): void => {
      const since = new Date(Date.now() - SPANS_MS[span]).toISOString();
      const path = `/v1/channels/${channelId}/qoe?since=${encodeURIComponent(since)}`;
      request<Qoe>(path, { signal: abort.signal }).then(setQoe, () => undefined);
    };
    read();
    const timer = setInterval(read, READ_MS);
    return () => {
      abort.abort();
      clearInterval(timer);
    };
  }, [channelId, span]);

  const steps = useMemo(() => (qoe ? everyStep(qoe) : []), [qoe]);
  const times = useMemo(() => steps.map((step) => step.at_s), [steps]);
  const line = (label: string, read: (point: QoeFigures) => number | null): Line => ({
    label,
    values: steps.map(({ figures }) => (figures ? read(figures) : null)),
  });
  const charts: { title: string; lines: Line[]; format: (value: number) => string }[] = [
    { title: t("qoe_viewers"), lines: [line(t("viewers"), (p) => p.viewers)], format: (value) => value.toFixed(1) },
    {
      title: t("qoe_startup"),
      lines: [line("p50", (p) => p.startup_p50_ms), line("p95", (p) => p.startup_p95_ms)],
      format: formatMs,
    },
    {
      title: t("latency"),
      lines: [line("p50", (p) => p.latency_p50_ms), line("p95", (p) => p.latency_p95_ms)],
      format: formatMs,
    },
    { title: t("qoe_rebuffering"), lines: [line("%", (p) => percent(p.rebuffer_share))], format: (value) => `${value.toFixed(2)} %` },
  ];
  return (
    <Card withBorder data-testid="qoe">
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">{t("qoe")}</Title>
        <SegmentedControl
          size="xs"
          value={span}
          onChange={(value) => setSpan(value)}
          data={[
            { value: "hour", label: t("last_hour") },
            { value: "day", label: t("last_day") },
          ]}
        />
      </Group>
      {!qoe || qoe.points.length === 0 ? (
        <Text size="sm" c="dimmed">{t("qoe_none")}</Text>
      ) : (
        <>
          <Summary total={qoe.total} />
          <SimpleGrid cols={{ base: 1, sm: 2, xl: 4 }} mt="md">
            {charts.map(({ title, lines, format }) => (
              <div key={title}>
                <Text fw={600} size="sm" mb={4}>{title}</Text>
                <LiveChart times={times} lines={lines} format={format} label={title} clock="minutes" />
              </div>
            ))}
          </SimpleGrid>
          <Groups title={t("site")} groups={qoe.by_site} />
          <Groups title={t("protocol")} groups={qoe.by_protocol} />
        </>
      )}
    </Card>
  );
}

/** Every step of the span; those in which nobody told anything are holes and not lines drawn across. */
function everyStep(qoe: Qoe): { at_s: number; figures: QoeFigures | undefined }[] {
  const told = new Map(qoe.points.map((point) => [Date.parse(point.at) / 1000, point]));
  const first = Math.min(...told.keys());
  const steps: { at_s: number; figures: QoeFigures | undefined }[] = [];
  for (let at_s = first; at_s < Date.parse(qoe.until) / 1000; at_s += qoe.step_s) steps.push({ at_s, figures: told.get(at_s) });
  return steps;
}

const percent = (share: number | null): number | null => (share === null ? null : share * 100);

function Summary({ total }: { total: QoeFigures }) {
  const t = useText();
  return (
    <Numbers
      cols={{ base: 2, sm: 3, lg: 6 }}
      figures={[
        { label: t("qoe_viewings"), value: String(total.viewings) },
        { label: `${t("qoe_startup")} p50`, value: formatMs(total.startup_p50_ms) },
        { label: `${t("qoe_startup")} p95`, value: formatMs(total.startup_p95_ms) },
        { label: `${t("latency")} p50`, value: formatMs(total.latency_p50_ms) },
        { label: t("qoe_rebuffering"), value: total.rebuffer_share === null ? "–" : `${(total.rebuffer_share * 100).toFixed(2)} %` },
        { label: t("qoe_errors"), value: String(total.errors) },
      ]}
    />
  );
}

function Groups({ title, groups }: { title: string; groups: Record<string, QoeFigures> }) {
  const t = useText();
  return (
    <Table.ScrollContainer minWidth={420} type="native" mt="md">
      <Table verticalSpacing={4} aria-label={title}>
        <Table.Thead>
          <Table.Tr>
            {[title, t("qoe_viewings"), `${t("qoe_startup")} p95`, `${t("latency")} p95`, t("qoe_rebuffering"), t("switches")].map((head) => (
              <Table.Th key={head}>{head}</Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {Object.entries(groups).map(([name, figures]) => (
            <Table.Tr key={name}>
              <Table.Td>{name || "–"}</Table.Td>
              <Table.Td>{figures.viewings}</Table.Td>
              <Table.Td>{formatMs(figures.startup_p95_ms)}</Table.Td>
              <Table.Td>{formatMs(figures.latency_p95_ms)}</Table.Td>
              <Table.Td>{figures.rebuffer_share === null ? "–" : `${(figures.rebuffer_share * 100).toFixed(2)} %`}</Table.Td>
              <Table.Td>{figures.switches}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
