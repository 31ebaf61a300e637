/** What was carried, summed. */

import { Card, Center, Group, Loader, NativeSelect, Table, Text } from "@mantine/core";
import { useEffect, useState } from "react";
import { request } from "../api/client";
import type { UsageLine } from "../api/types";
import { useSession } from "../app/session";
import { formatBytes } from "../format";
import { useText } from "../i18n";
import { PageHead } from "../parts/PageHead";
import { Trouble } from "../parts/Trouble";

type By = "space" | "site" | "tenant";
const SPANS_H = { last_hour: 1, last_day: 24, last_30_days: 720 } as const;
type Span = keyof typeof SPANS_H;

function useUsage(by: By, span: Span): { items: UsageLine[] | undefined; error: unknown } {
  const [items, setItems] = useState<UsageLine[]>();
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    const abort = new AbortController();
    const since = new Date(Date.now() - SPANS_H[span] * 3_600_000).toISOString();
    const path = `/v1/usage?by=${by}&since=${encodeURIComponent(since)}`;
    request<{ items: UsageLine[] }>(path, { signal: abort.signal }).then(
      (usage) => {
        setError(undefined);
        setItems(usage.items);
      },
      (reason: unknown) => {
        if (!abort.signal.aborted) setError(reason);
      },
    );
    return () => abort.abort();
  }, [by, span]);
  return { items, error };
}

export default function UsagePage() {
  const t = useText();
  const { me } = useSession();
  const [by, setBy] = useState<By>("space");
  const [span, setSpan] = useState<Span>("last_day");
  const { items, error } = useUsage(by, span);
  const choices: By[] = me?.is_operator ? ["space", "site", "tenant"] : ["space", "site"];
  return (
    <>
      <PageHead title={t("usage")} />
      <Group mb="md">
        <NativeSelect
          label={t("usage_by")}
          value={by}
          onChange={(event) => setBy(event.currentTarget.value as By)}
          data={choices.map((value) => ({ value, label: t(`by_${value}`) }))}
        />
        <NativeSelect
          label={t("usage_span")}
          value={span}
          onChange={(event) => setSpan(event.currentTarget.value as Span)}
          data={(Object.keys(SPANS_H) as Span[]).map((value) => ({ value, label: t(value) }))}
        />
      </Group>
      <Trouble error={error} />
      {!items && !error && (
        <Center p="xl">
          <Loader aria-label={t("loading")} />
        </Center>
      )}
      {items?.length === 0 && <Text c="dimmed">{t("none_yet")}</Text>}
      {items && items.length > 0 && <UsageTable items={items} title={t(`by_${by}`)} />}
    </>
  );
}

function UsageTable({ items, title }: { items: UsageLine[]; title: string }) {
  const t = useText();
  return (
    <Card withBorder padding={0}>
      <Table.ScrollContainer minWidth={480} type="native">
        <Table verticalSpacing="sm" horizontalSpacing="md" aria-label={t("usage")}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{title}</Table.Th>
              <Table.Th ta="right">{t("sent")}</Table.Th>
              <Table.Th ta="right">{t("received")}</Table.Th>
              <Table.Th ta="right">{t("sessions")}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {items.map((line) => (
              <Table.Tr key={line.key ?? ""}>
                <Table.Td>{line.key ? line.key : t("platform_own")}</Table.Td>
                <Table.Td ta="right">{formatBytes(line.bytes_sent)}</Table.Td>
                <Table.Td ta="right">{formatBytes(line.bytes_received)}</Table.Td>
                <Table.Td ta="right">{line.sessions}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Card>
  );
}
