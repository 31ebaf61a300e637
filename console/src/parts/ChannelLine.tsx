import { Group, Text, UnstyledButton } from "@mantine/core";
import { Link } from "wouter";
import { useChannelEvent } from "../api/live";
import type { Channel } from "../api/types";
import { useText } from "../i18n";
import { StateBadge } from "./StateBadge";

/** A channel in a list, with its state as it is now. */
export function ChannelLine({ channel }: { channel: Channel }) {
  const event = useChannelEvent(channel.id);
  const t = useText();
  return (
    <UnstyledButton component={Link} href={`/channels/${channel.slug}`} p={6}>
      <Group justify="space-between" wrap="nowrap">
        <Text truncate fw={500}>
          {channel.name}
        </Text>
        <Group gap="xs" wrap="nowrap">
          <Text size="sm" c="dimmed">
            {event?.viewers ?? channel.viewers} {t("viewers").toLowerCase()}
          </Text>
          <StateBadge state={event?.state ?? channel.state} />
        </Group>
      </Group>
    </UnstyledButton>
  );
}
