/** Nodes of every site with their live numbers. */

import { Table, Text } from "@mantine/core";
import type { ReactNode } from "react";
import type { NodeLine, SiteLine } from "../api/types";
import { formatBps, formatBytes } from "../format";
import { useText } from "../i18n";
import { StateBadge } from "./StateBadge";

interface Props {
  sites: readonly SiteLine[];
  /** What can be done with a node. */
  actions?: (node: NodeLine) => ReactNode;
}

export function NodeTable({ sites, actions }: Props) {
  const t = useText();
  return (
    <Table.ScrollContainer minWidth={640} type="native" mt="sm">
      <Table verticalSpacing="xs" aria-label={t("nodes")}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t("node")}</Table.Th>
            <Table.Th>{t("state")}</Table.Th>
            <Table.Th>{t("viewers")}</Table.Th>
            <Table.Th>{t("egress")}</Table.Th>
            <Table.Th>{t("cpu")}</Table.Th>
            <Table.Th>{t("memory")}</Table.Th>
            <Table.Th>{t("workloads")}</Table.Th>
            {actions && <Table.Th>{t("actions")}</Table.Th>}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {sites.flatMap((site) =>
            site.nodes.map((node) => <Row key={node.id} site={site} node={node} actions={actions} />),
          )}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function Row({ site, node, actions }: { site: SiteLine; node: NodeLine; actions: Props["actions"] }) {
  const t = useText();
  return (
    <Table.Tr>
      <Table.Td>
        <Text size="sm" fw={600}>
          {node.name}
        </Text>
        <Text size="xs" c="dimmed">
          {[site.name || site.slug, t(site.role)].join(" · ")}
        </Text>
      </Table.Td>
      <Table.Td>
        <StateBadge state={node.state} />
      </Table.Td>
      <Table.Td>{node.viewers}</Table.Td>
      <Table.Td>{formatBps(node.egress_bps)}</Table.Td>
      <Table.Td>{node.cpu.toFixed(2)}</Table.Td>
      <Table.Td>{formatBytes(node.memory_bytes)}</Table.Td>
      <Table.Td>
        <Text size="xs">
          {node.workloads.map((w) => `${w.kind}${w.state === "ready" ? "" : ` (${w.state})`}`).join(", ") || "–"}
        </Text>
      </Table.Td>
      {actions && <Table.Td>{actions(node)}</Table.Td>}
    </Table.Tr>
  );
}
