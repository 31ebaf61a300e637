/** One recording: watch, scrub, cut a clip, download, rename, delete. */

import { Alert, Button, Card, Center, Grid, Group, Loader, Stack, Text, TextInput, Title } from "@mantine/core";
import { useCallback, useEffect, useRef, useState } from "react";
import { Link, useLocation } from "wouter";
import { ApiError, newIdempotencyKey, request } from "../api/client";
import { clockText, isMoving, isPlayable, momentAt, type PlayTicket, type Recording } from "../api/recordings";
import { useSession } from "../app/session";
import { formatBytes, formatTime } from "../format";
import { useSpeech, useText } from "../i18n";
import { Nothing } from "../parts/Nothing";
import { Numbers } from "../parts/Numbers";
import { PageHead } from "../parts/PageHead";
import { RecordingBadge } from "../parts/RecordingList";
import { RecordingPlayer, seekTo } from "../parts/RecordingPlayer";
import { Trouble } from "../parts/Trouble";
import { useAction } from "../parts/useAction";

const REFRESH_MS = 3000;

export default function RecordingPage({ id }: { id: string }) {
  const t = useText();
  const [recording, setRecording] = useState<Recording>();
  const [ticket, setTicket] = useState<PlayTicket>();
  const [error, setError] = useState<unknown>();
  const [round, setRound] = useState(0);
  useEffect(() => {
    request<Recording>(`/v1/recordings/${encodeURIComponent(id)}`).then((found) => {
      setError(undefined);
      setRecording(found);
    }, setError);
  }, [id, round]);
  const moving = recording !== undefined && isMoving(recording);
  useEffect(() => {
    if (!moving) return;
    const timer = setInterval(() => setRound((n) => n + 1), REFRESH_MS);
    return () => clearInterval(timer);
  }, [moving]);
  const playable = recording !== undefined && isPlayable(recording);
  useEffect(() => {
    if (!playable) return;
    request<PlayTicket>(`/v1/recordings/${encodeURIComponent(id)}/play`, { method: "POST" }).then(setTicket, setError);
  }, [id, playable]);

  if (error instanceof ApiError && error.status === 404) {
    return <Nothing text={t("no_such_recording")} href="/recordings" link={t("to_recordings")} />;
  }
  if (error !== undefined) return <Trouble error={error} retry={() => setRound(round + 1)} />;
  if (!recording) {
    return (
      <Center mih="60vh">
        <Loader aria-label={t("loading")} />
      </Center>
    );
  }
  return <Shown recording={recording} ticket={ticket} onChange={() => setRound(round + 1)} />;
}

interface ShownProps {
  recording: Recording;
  ticket: PlayTicket | undefined;
  onChange: () => void;
}

function Shown({ recording, ticket, onChange }: ShownProps) {
  const t = useText();
  const { may } = useSession();
  const video = useRef<HTMLVideoElement>(null);
  const [time, setTime] = useState(0);
  const [marks, setMarks] = useState<{ from?: number; to?: number }>({});
  return (
    <>
      <Head recording={recording} ticket={ticket} onChange={onChange} />
      {recording.failure && <Alert color="red" mb="md">{recording.failure}</Alert>}
      <Grid gap="md">
        <Grid.Col span={{ base: 12, lg: 8 }}>
          <Card withBorder>
            {ticket ? (
              <RecordingPlayer ticket={ticket} video={video} marks={marks} onTime={setTime} />
            ) : (
              <Text c="dimmed">{t("recording_nothing_yet")}</Text>
            )}
          </Card>
        </Grid.Col>
        <Grid.Col span={{ base: 12, lg: 4 }}>
          <Stack>
            {ticket && may("member") && (
              <ClipTool recording={recording} time={time} marks={marks} setMarks={setMarks} video={video} />
            )}
            <Facts recording={recording} />
          </Stack>
        </Grid.Col>
      </Grid>
    </>
  );
}

function Head({ recording, ticket, onChange }: ShownProps) {
  const { t } = useSpeech();
  const { may } = useSession();
  const [, go] = useLocation();
  const act = useCallback(
    async (what: "rename" | "delete") => {
      const path = `/v1/recordings/${recording.id}`;
      if (what === "rename") {
        const name = window.prompt(t("new_name"), recording.name)?.trim();
        if (!name) return;
        await request(path, { method: "PATCH", body: { name } });
        onChange();
        return;
      }
      if (!window.confirm(t("delete_recording_confirm", { name: recording.name }))) return;
      await request(path, { method: "DELETE" });
      go("/recordings");
    },
    [recording, onChange, go, t],
  );
  const action = useAction(act);
  return (
    <>
      <PageHead
        title={
          <Group gap="sm" component="span">
            {recording.name} <RecordingBadge state={recording.state} />
          </Group>
        }
      >
        {ticket?.download_url && (
          <Button component="a" href={`${ticket.download_url}?name=${encodeURIComponent(recording.name)}`} size="xs" variant="light" download>
            {t("download_mp4")}
          </Button>
        )}
        {may("member") && (
          <>
            <Button size="xs" variant="default" disabled={action.busy} onClick={() => action.run("rename")}>
              {t("rename")}
            </Button>
            <Button size="xs" variant="light" color="red" disabled={action.busy || recording.state === "recording"} onClick={() => action.run("delete")}>
              {t("delete")}
            </Button>
          </>
        )}
      </PageHead>
      <Trouble error={action.error} />
    </>
  );
}

interface ClipProps {
  recording: Recording;
  time: number;
  marks: { from?: number; to?: number };
  setMarks: (marks: { from?: number; to?: number }) => void;
  video: React.RefObject<HTMLVideoElement | null>;
}

function ClipTool({ recording, time, marks, setMarks, video }: ClipProps) {
  const { t } = useSpeech();
  const [name, setName] = useState("");
  const [made, setMade] = useState<Recording>();
  const { from, to } = marks;
  const valid = from !== undefined && to !== undefined && to - from >= 0.5;
  const create = useCallback(async () => {
    if (from === undefined || to === undefined) return;
    const body = {
      name: name.trim() || t("clip"),
      start: momentAt(recording, from).toISOString(),
      end: momentAt(recording, to).toISOString(),
    };
    const options = { method: "POST", body, idempotencyKey: newIdempotencyKey() } as const;
    setMade(await request<Recording>(`/v1/recordings/${recording.id}/clips`, options));
    setName("");
    setMarks({});
  }, [from, to, name, recording, setMarks, t]);
  const action = useAction(create);
  const show = (seconds: number | undefined): string => (seconds === undefined ? "–" : clockText(seconds));
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb="sm">
        {t("make_clip")}
      </Title>
      <Group grow mb="xs">
        <Button variant="default" size="xs" onClick={() => setMarks({ from: time, ...(to !== undefined && to > time ? { to } : {}) })}>
          {t("mark_in")} {show(from)}
        </Button>
        <Button variant="default" size="xs" disabled={from === undefined || time <= from} onClick={() => setMarks({ ...marks, to: time })}>
          {t("mark_out")} {show(to)}
        </Button>
      </Group>
      <Group align="flex-end" wrap="nowrap">
        <TextInput
          style={{ flex: 1 }}
          label={t("name")}
          placeholder={t("clip")}
          maxLength={100}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <Button disabled={!valid} loading={action.busy} onClick={() => action.run()}>
          {t("create")}
        </Button>
      </Group>
      {from !== undefined && (
        <Button mt="xs" size="xs" variant="subtle" onClick={() => seekTo(video.current, from)}>
          {t("go_to_in")}
        </Button>
      )}
      <Trouble error={action.error} />
      {made && (
        <Text size="sm" mt="xs">
          {t("clip_made")} <Link href={`/recordings/${made.id}`}>{made.name}</Link>
        </Text>
      )}
    </Card>
  );
}

function Facts({ recording }: { recording: Recording }) {
  const { t, language } = useSpeech();
  const videos = recording.tracks.filter((track) => track.kind === "video");
  return (
    <Card withBorder>
      <Numbers
        cols={{ base: 2 }}
        figures={[
          { label: t("duration"), value: clockText(recording.duration_ms / 1000) },
          { label: t("size"), value: formatBytes(recording.size_bytes) },
        ]}
      />
      <Stack gap={4} mt="sm">
        <Text size="sm">{t("recorded_from", { channel: recording.channel_name, time: formatTime(recording.start, language) })}</Text>
        {recording.source_id && (
          <Text size="sm">
            <Link href={`/recordings/${recording.source_id}`}>{t("clip_source")}</Link>
          </Text>
        )}
        {videos.map((track) => (
          <Text key={track.name} size="sm" c="dimmed">
            {track.name} · {track.width}×{track.height} · {track.codec}
          </Text>
        ))}
        {recording.retain_until && (
          <Text size="sm" c="dimmed">
            {t("kept_until", { time: formatTime(recording.retain_until, language) })}
          </Text>
        )}
        {recording.gaps.map((gap) => (
          <Text key={gap.start} size="sm" c="orange">
            {t("gap_at", {
              time: formatTime(gap.start, language),
              seconds: ((Date.parse(gap.end) - Date.parse(gap.start)) / 1000).toFixed(1),
            })}
          </Text>
        ))}
      </Stack>
    </Card>
  );
}
