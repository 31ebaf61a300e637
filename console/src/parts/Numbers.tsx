/** A row of large live numbers. */

import { Card, SimpleGrid, Text } from "@mantine/core";

export interface Figure {
  label: string;
  value: string;
}

export function Numbers({ figures, cols = { base: 2, sm: 4 } }: { figures: Figure[]; cols?: Record<string, number> }) {
  return (
    <SimpleGrid cols={cols} spacing="sm">
      {figures.map((figure) => (
        <Card key={figure.label} withBorder padding="md">
          <Text size="xs" c="dimmed" tt="none">
            {figure.label}
          </Text>
          <div className="number">
            {amount(figure.value)} <small>{unit(figure.value)}</small>
          </div>
        </Card>
      ))}
    </SimpleGrid>
  );
}

const amount = (value: string): string => value.split(" ", 1)[0] ?? "";
const unit = (value: string): string => value.slice(amount(value).length + 1);
