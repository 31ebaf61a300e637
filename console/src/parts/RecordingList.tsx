/** Recordings as cards: a picture, how long, how large, what state. */

import { Badge, Button, Card, Center, Group, Loader, SimpleGrid, Text } from "@mantine/core";
import { useEffect, useState } from "react";
import { Link } from "wouter";
import { request } from "../api/client";
import { clockText, isMoving, isPlayable, type PlayTicket, type Recording } from "../api/recordings";
import { formatBytes, formatTime } from "../format";
import { useSpeech, type TextKey } from "../i18n";
import { Icon } from "./Icon";
import { Trouble } from "./Trouble";
import type { List } from "./useList";

const REFRESH_MS = 3000;
const COLORS: Record<Recording["state"], string> = {
  recording: "red",
  finishing: "orange",
  making: "orange",
  ready: "teal",
  failed: "gray",
  deleting: "gray",
};

export function RecordingList({ list }: { list: List<Recording> }) {
  const { t } = useSpeech();
  const moving = list.items?.some(isMoving) ?? false;
  const { reload } = list;
  useEffect(() => {
    if (!moving) return;
    const timer = setInterval(reload, REFRESH_MS);
    return () => clearInterval(timer);
  }, [moving, reload]);
  if (list.error !== undefined) return <Trouble error={list.error} retry={list.reload} />;
  if (!list.items) {
    return (
      <Center p="xl">
        <Loader aria-label={t("loading")} />
      </Center>
    );
  }
  if (list.items.length === 0) return <Text c="dimmed">{t("no_recordings")}</Text>;
  const newestFirst = [...list.items].reverse();
  return (
    <>
      <SimpleGrid cols={{ base: 1, xs: 2, md: 3, lg: 4 }}>
        {newestFirst.map((recording) => (
          <RecordingCard key={recording.id} recording={recording} />
        ))}
      </SimpleGrid>
      {list.hasMore && (
        <Center p="sm">
          <Button variant="subtle" onClick={list.more}>
            {t("more")}
          </Button>
        </Center>
      )}
    </>
  );
}

function RecordingCard({ recording }: { recording: Recording }) {
  const { t, language } = useSpeech();
  return (
    <Card withBorder padding="sm" component={Link} href={`/recordings/${recording.id}`} className="recording-card">
      <Card.Section>
        <Poster recording={recording} />
      </Card.Section>
      <Group justify="space-between" mt="xs" gap="xs" wrap="nowrap">
        <Text fw={600} truncate>
          {recording.name}
        </Text>
        <RecordingBadge state={recording.state} />
      </Group>
      <Text size="sm" c="dimmed">
        {formatTime(recording.start, language)}
      </Text>
      <Text size="sm" c="dimmed">
        {[
          clockText(recording.duration_ms / 1000),
          formatBytes(recording.size_bytes),
          recording.kind === "clip" ? t("clip") : recording.channel_name,
        ].join(" · ")}
      </Text>
      {recording.gaps.length > 0 && (
        <Text size="sm" c="orange">
          {t("gaps_count", { count: recording.gaps.length })}
        </Text>
      )}
    </Card>
  );
}

export function RecordingBadge({ state }: { state: Recording["state"] }) {
  const { t } = useSpeech();
  return (
    <Badge color={COLORS[state]} variant="light" tt="none" style={{ flexShrink: 0 }}>
      {t(`recording_state_${state}` as TextKey)}
    </Badge>
  );
}

/** Its picture needs a ticket: asked for once a card, when there is something to see. */
function Poster({ recording }: { recording: Recording }) {
  const [url, setUrl] = useState<string>();
  const playable = isPlayable(recording);
  useEffect(() => {
    if (!playable) return;
    const abort = new AbortController();
    request<PlayTicket>(`/v1/recordings/${recording.id}/play`, { method: "POST", signal: abort.signal }).then(
      (ticket) => setUrl(ticket.poster_url),
      () => undefined,
    );
    return () => abort.abort();
  }, [recording.id, playable]);
  return (
    <div className="poster">
      {url ? <img src={url} alt="" loading="lazy" onError={() => setUrl(undefined)} /> : <Icon name="channel" size={32} />}
    </div>
  );
}
