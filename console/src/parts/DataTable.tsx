/** A list as a table, with its empty, loading and failed states; on a narrow screen it scrolls by itself. */

import { Button, Card, Center, Loader, Table, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { useText } from "../i18n";
import { Trouble } from "./Trouble";
import type { List } from "./useList";

export interface Column<T> {
  title: string;
  cell: (item: T) => ReactNode;
  /** Left out on a narrow screen. */
  wide?: boolean;
}

interface Props<T> {
  list: List<T>;
  columns: Column<T>[];
  rowKey: (item: T) => string;
  label: string;
  minWidth?: number;
}

export function DataTable<T>({ list, columns, rowKey, label, minWidth = 320 }: Props<T>) {
  const t = useText();
  if (list.error !== undefined) return <Trouble error={list.error} retry={list.reload} />;
  if (!list.items) {
    return (
      <Center p="xl">
        <Loader aria-label={t("loading")} />
      </Center>
    );
  }
  if (list.items.length === 0) return <Text c="dimmed">{t("none_yet")}</Text>;
  return (
    <Card withBorder padding={0}>
      <Table.ScrollContainer minWidth={minWidth} type="native">
        <Table verticalSpacing="sm" horizontalSpacing="md" highlightOnHover aria-label={label}>
          <Table.Thead>
            <Table.Tr>
              {columns.map((column) => (
                <Table.Th key={column.title} className={column.wide ? "wide-column" : undefined}>{column.title}</Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {list.items.map((item) => (
              <Table.Tr key={rowKey(item)}>
                {columns.map((column) => (
                  <Table.Td key={column.title} className={column.wide ? "wide-column" : undefined}>{column.cell(item)}</Table.Td>
                ))}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {list.hasMore && (
        <Center p="sm">
          <Button variant="subtle" onClick={list.more}>
            {t("more")}
          </Button>
        </Center>
      )}
    </Card>
  );
}
