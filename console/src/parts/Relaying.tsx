/** What the channel takes from a URL, and the other platforms it is sent on to; their states are live. */

import { Badge, Button, Card, Checkbox, Group, PasswordInput, SegmentedControl, Select, Stack, Text, TextInput, Title } from "@mantine/core";
import { useCallback, useEffect, useState } from "react";
import { ApiError, request } from "../api/client";
import { useChannelEvent } from "../api/live";
import type { Destination, MediaFile, Pull, RelayStatus } from "../api/types";
import { useSession } from "../app/session";
import { formatBps, formatTime } from "../format";
import { useSpeech } from "../i18n";
import { DataTable } from "./DataTable";
import { Trouble } from "./Trouble";
import { useAction } from "./useAction";
import { useList } from "./useList";

const COLORS = { waiting: "gray", connecting: "blue", running: "green", retrying: "orange", ended: "gray" } as const;
const INPUTS = ["main", "backup"] as const;
type InputName = (typeof INPUTS)[number];
const RENDITIONS = ["source", "1080p", "720p", "480p", "360p"];

export function PullCard({ channelId }: { channelId: string }) {
  const { t } = useSpeech();
  const [input, setInput] = useState<InputName>("main");
  return (
    <Card withBorder h="100%">
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          {t("pull_title")}
        </Title>
        <SegmentedControl
          size="xs"
          value={input}
          onChange={setInput}
          data={INPUTS.map((value) => ({ value, label: t(`input_${value}`) }))}
          aria-label={t("pull_input")}
        />
      </Group>
      <PullOf key={input} channelId={channelId} input={input} />
    </Card>
  );
}

function PullOf({ channelId, input }: { channelId: string; input: InputName }) {
  const path = `/v1/channels/${channelId}/pull?input=${input}`;
  const { t } = useSpeech();
  const { may } = useSession();
  const [pull, setPull] = useState<Pull | null>();
  const [error, setError] = useState<unknown>();
  const live = useChannelEvent(channelId)?.pulls?.[input];

  useEffect(() => {
    request<Pull>(path).then(setPull, (reason: unknown) => {
      if (reason instanceof ApiError && reason.status === 404) setPull(null);
      else setError(reason);
    });
  }, [path]);

  const act = useCallback(
    async (what: "toggle" | "clear") => {
      if (what === "clear") {
        if (!window.confirm(t("pull_clear_confirm"))) return;
        await request(path, { method: "DELETE" });
        setPull(null);
        return;
      }
      setPull(await request<Pull>(path, { method: "PUT", body: { loop: pull?.loop, enabled: !pull?.enabled } }));
    },
    [path, pull, t],
  );
  const action = useAction(act);
  const status = live ?? told(pull);

  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed">
        {t("pull_hint")}
      </Text>
      <Trouble error={error ?? action.error} />
      {pull && (
        <>
          <Text size="sm" style={{ overflowWrap: "anywhere" }}>
            {pull.file_name ?? pull.url} {pull.loop && <Badge variant="outline" tt="none">{t("pull_loop_on")}</Badge>}
          </Text>
          {pull.enabled && status ? <Status status={status} /> : <Badge color="gray" tt="none">{t("relay_off")}</Badge>}
          {may("member") && (
            <Group gap="xs">
              <Button size="xs" variant="light" loading={action.busy} onClick={() => action.run("toggle")}>
                {t(pull.enabled ? "relay_stop" : "relay_start")}
              </Button>
              <Button size="xs" variant="light" color="red" disabled={action.busy} onClick={() => action.run("clear")}>
                {t("relay_remove")}
              </Button>
            </Group>
          )}
        </>
      )}
      {may("member") && pull !== undefined && <NewPull path={path} again={pull !== null} onSet={setPull} />}
    </Stack>
  );
}

/** What the last answer said of it. */
function told(pull: Pull | null | undefined): RelayStatus | undefined {
  return pull?.enabled ? pull.status : undefined;
}

function NewPull({ path, again, onSet }: { path: string; again: boolean; onSet: (pull: Pull) => void }) {
  const { t } = useSpeech();
  const [url, setUrl] = useState("");
  const [fileId, setFileId] = useState<string | null>(null);
  const [loop, setLoop] = useState(false);
  const files = useList<MediaFile>("/v1/media-files?limit=100");
  const usable = (files.items ?? []).filter((file) => !file.pull_obstacle);
  const act = useCallback(async () => {
    const source = fileId ? { file_id: fileId } : { url };
    onSet(await request<Pull>(path, { method: "PUT", body: { ...source, loop, enabled: true } }));
    setUrl("");
    setFileId(null);
  }, [path, url, fileId, loop, onSet]);
  const action = useAction(act);
  return (
    <form
      onSubmit={(submitted) => {
        submitted.preventDefault();
        action.run();
      }}
    >
      <Stack gap="xs">
        <Trouble error={action.error} />
        <TextInput
          label={t(again ? "pull_other_url" : "pull_url")}
          description={t("pull_url_hint")}
          placeholder="rtsp://camera.example.com/stream1"
          value={url}
          autoComplete="off"
          disabled={fileId !== null}
          onChange={(event) => setUrl(event.currentTarget.value)}
        />
        {usable.length > 0 && (
          <Select
            label={t("pull_file")}
            placeholder={t("pull_file_none")}
            data={usable.map((file) => ({ value: file.id, label: file.name }))}
            value={fileId}
            clearable
            onChange={setFileId}
          />
        )}
        <Checkbox label={t("pull_loop")} checked={loop} onChange={(event) => setLoop(event.currentTarget.checked)} />
        <Group>
          <Button type="submit" size="xs" loading={action.busy} disabled={!url && !fileId}>
            {t("pull_set")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

export function DestinationsCard({ channelId }: { channelId: string }) {
  const path = `/v1/channels/${channelId}/destinations`;
  const { t } = useSpeech();
  const { may } = useSession();
  const list = useList<Destination>(path);
  const [adding, setAdding] = useState(false);
  const states = useChannelEvent(channelId)?.destinations;
  const { reload } = list;

  const act = useCallback(
    async (what: "toggle" | "remove", destination: Destination) => {
      const own = `${path}/${destination.id}`;
      if (what === "remove") {
        if (!window.confirm(t("destination_remove_confirm", { name: destination.name }))) return;
        await request(own, { method: "DELETE" });
      } else await request(own, { method: "PATCH", body: { enabled: !destination.enabled } });
      reload();
    },
    [path, reload, t],
  );
  const action = useAction(act);

  return (
    <Card withBorder h="100%">
      <Title order={2} size="h4" mb="sm">
        {t("destinations")}
      </Title>
      <Stack gap="sm">
        <Text size="sm" c="dimmed">
          {t("destinations_hint")}
        </Text>
        <Trouble error={action.error} />
        <DataTable
          list={list}
          rowKey={(one) => one.id}
          label={t("destinations")}
          minWidth={460}
          columns={[
            {
              title: t("name"),
              cell: (one) => (
                <>
                  <Text size="sm">{one.name}</Text>
                  <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
                    {one.url} · {one.rendition}
                  </Text>
                </>
              ),
            },
            {
              title: t("state"),
              cell: (one) =>
                one.enabled ? (
                  <Status status={states ? (states[one.id] ?? IDLE) : one.status} />
                ) : (
                  <Badge color="gray" tt="none">{t("relay_off")}</Badge>
                ),
            },
            {
              title: t("actions"),
              cell: (one) => (
                <Group gap={6} wrap="nowrap">
                  <Button size="xs" variant="light" disabled={!may("member")} onClick={() => action.run("toggle", one)}>
                    {t(one.enabled ? "relay_stop" : "relay_start")}
                  </Button>
                  <Button size="xs" variant="light" color="red" disabled={!may("member")} onClick={() => action.run("remove", one)}>
                    {t("relay_remove")}
                  </Button>
                </Group>
              ),
            },
          ]}
        />
        {may("member") && !adding && (
          <Group>
            <Button variant="light" size="xs" onClick={() => setAdding(true)}>
              {t("destination_add")}
            </Button>
          </Group>
        )}
        {adding && (
          <NewDestination
            path={path}
            onDone={() => {
              setAdding(false);
              reload();
            }}
          />
        )}
      </Stack>
    </Card>
  );
}

const IDLE: RelayStatus = { state: "waiting", since: null, error: "", fps: 0, bitrate_bps: 0 };

function NewDestination({ path, onDone }: { path: string; onDone: () => void }) {
  const { t } = useSpeech();
  const [name, setName] = useState("");
  const [url, setUrl] = useState("");
  const [key, setKey] = useState("");
  const [rendition, setRendition] = useState("source");
  const act = useCallback(async () => {
    await request(path, { method: "POST", body: { name, url, key, rendition } });
    onDone();
  }, [path, name, url, key, rendition, onDone]);
  const action = useAction(act);
  return (
    <form
      onSubmit={(submitted) => {
        submitted.preventDefault();
        action.run();
      }}
    >
      <Stack gap="xs">
        <Trouble error={action.error} />
        <TextInput label={t("name")} value={name} onChange={(event) => setName(event.currentTarget.value)} />
        <TextInput
          label={t("server")}
          placeholder="rtmps://live.example.com/app"
          value={url}
          onChange={(event) => setUrl(event.currentTarget.value)}
        />
        <PasswordInput
          label={t("stream_key")}
          description={t("destination_key_hint")}
          autoComplete="new-password"
          value={key}
          onChange={(event) => setKey(event.currentTarget.value)}
        />
        <Select
          label={t("destination_rendition")}
          data={RENDITIONS.map((value) => ({ value, label: value === "source" ? t("source") : value }))}
          value={rendition}
          allowDeselect={false}
          onChange={(value) => setRendition(value ?? "source")}
        />
        <Group gap="xs">
          <Button type="submit" size="xs" loading={action.busy} disabled={!name || !url}>
            {t("destination_add")}
          </Button>
          <Button size="xs" variant="subtle" onClick={onDone}>
            {t("cancel")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function Status({ status }: { status: RelayStatus }) {
  const { t, language } = useSpeech();
  const facts = [
    status.state === "running" && formatBps(status.bitrate_bps),
    status.state === "running" && `${status.fps.toFixed(0)} fps`,
    status.since && t("since", { time: formatTime(status.since, language) }),
  ];
  return (
    <Stack gap={4} role="status">
      <Group gap="xs">
        <Badge color={COLORS[status.state]} tt="none">
          {t(`relay_${status.state}`)}
        </Badge>
        <Text size="xs" c="dimmed">
          {facts.filter(Boolean).join(" · ")}
        </Text>
      </Group>
      {status.error && (
        <Text size="xs" c="red" style={{ overflowWrap: "anywhere" }}>
          {status.error}
        </Text>
      )}
    </Stack>
  );
}
