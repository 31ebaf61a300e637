/** Go live from this browser: camera or screen and microphone, straight into a channel. */

import { Alert, Badge, Button, Card, Grid, Group, NativeSelect, Progress, SegmentedControl, Stack, Text } from "@mantine/core";
import { useCallback, useEffect, useRef, useState } from "react";
import { Link } from "wouter";
import { request } from "../api/client";
import { useChannelEvent, useIncidents } from "../api/live";
import type { Channel } from "../api/types";
import { formatBps } from "../format";
import { useText, type TextKey } from "../i18n";
import { Numbers } from "../parts/Numbers";
import { PageHead } from "../parts/PageHead";
import { StateBadge } from "../parts/StateBadge";
import { Trouble } from "../parts/Trouble";
import { useAction } from "../parts/useAction";
import { capture, listDevices, missing, release, type CaptureWish, type Devices } from "../studio/capture";
import { MicrophoneLevel } from "../studio/level";
import { Show, type ShowState } from "../studio/show";

const HEIGHTS = ["360", "540", "720", "1080"];
const RATES = ["25", "30", "50", "60"];
const NO_MICROPHONE = "none";

export default function Studio({ slug }: { slug: string }) {
  const [channel, setChannel] = useState<Channel>();
  const [error, setError] = useState<unknown>();
  const t = useText();
  useEffect(() => {
    request<Channel>(`/v1/channels/${encodeURIComponent(slug)}`).then(setChannel, setError);
  }, [slug]);
  const lacks = missing();
  if (lacks) {
    return (
      <>
        <PageHead title={t("studio")} />
        <Alert color="yellow" title={t(`studio_missing_${lacks}`)} data-testid="studio-missing" />
      </>
    );
  }
  if (error !== undefined) return <Trouble error={error} />;
  return channel ? <Room channel={channel} /> : null;
}

function Room({ channel }: { channel: Channel }) {
  const t = useText();
  const [wish, setWish] = useState<CaptureWish>({ picture: { kind: "camera" }, microphone: "", height: 720, fps: 30 });
  const [devices, setDevices] = useState<Devices>({ cameras: [], microphones: [] });
  const [stream, setStream] = useState<MediaStream>();
  const [show, setShow] = useState<Show>();
  const [state, setState] = useState<ShowState>("off");
  const [lost, setLost] = useState<unknown>();
  const held = useRef<{ stream?: MediaStream; show?: Show }>({});
  useEffect(() => {
    held.current = { ...(stream && { stream }), ...(show && { show }) };
  }, [stream, show]);
  useEffect(() => {
    const leave = (): void => {
      held.current.show?.abandon();
      release(held.current.stream);
    };
    window.addEventListener("pagehide", leave);
    return () => {
      window.removeEventListener("pagehide", leave);
      leave();
    };
  }, []);

  const preview = useAction(
    useCallback(async () => {
      release(held.current.stream);
      setStream(undefined);
      setStream(await capture(wish));
      setDevices(await listDevices()); // names are known only after a permission
    }, [wish]),
  );
  const toggle = useAction(
    useCallback(async () => {
      setLost(undefined);
      if (held.current.show) {
        const ending = held.current.show;
        setShow(undefined);
        await ending.end();
        return;
      }
      const picture = held.current.stream ?? (await capture(wish));
      setStream(picture);
      setDevices(await listDevices());
      const next = await Show.begin(channel.id, picture, {
        state: setState,
        ended: (reason) => {
          setLost(reason ?? new Error(t("studio_source_ended")));
          setShow(undefined);
        },
      });
      setShow(next);
    }, [channel.id, wish, t]),
  );
  const change = (part: Partial<CaptureWish>): void => setWish({ ...wish, ...part });
  const live = show !== undefined;
  return (
    <>
      <PageHead
        title={
          <Group gap="sm" component="span">
            {t("studio")}: {channel.name} <OnAir channel={channel} state={state} />
          </Group>
        }
      >
        <Button component={Link} href={`/channels/${channel.slug}`} variant="default" size="xs">
          {t("open_channel")}
        </Button>
      </PageHead>
      <Grid gap="md">
        <Grid.Col span={{ base: 12, lg: 8 }}>
          <Card withBorder>
            <Preview stream={stream} />
            <Group justify="space-between" mt="sm">
              <Button variant="default" onClick={preview.run} loading={preview.busy} disabled={live}>
                {t("studio_preview")}
              </Button>
              <Button color={live ? "red" : "green"} onClick={toggle.run} loading={toggle.busy} data-testid="go-live">
                {t(live ? "studio_stop" : "studio_go_live")}
              </Button>
            </Group>
            <Stack gap="xs" mt="sm">
              <Trouble error={preview.error} />
              <Trouble error={toggle.error} />
              <Trouble error={lost} />
              <Refused channel={channel} show={show} state={state} />
            </Stack>
          </Card>
        </Grid.Col>
        <Grid.Col span={{ base: 12, lg: 4 }}>
          <Stack>
            <Card withBorder>
              <Choices wish={wish} devices={devices} disabled={live} change={change} />
            </Card>
            <Card withBorder>
              <Sent show={show} />
            </Card>
          </Stack>
        </Grid.Col>
      </Grid>
    </>
  );
}

function Preview({ stream }: { stream: MediaStream | undefined }) {
  const t = useText();
  const video = useRef<HTMLVideoElement>(null);
  const [level, setLevel] = useState(0);
  useEffect(() => {
    if (video.current) video.current.srcObject = stream ?? null;
    if (!stream?.getAudioTracks().length) return undefined;
    const meter = new MicrophoneLevel(stream, setLevel);
    return () => meter.close();
  }, [stream]);
  return (
    <>
      <video ref={video} className="studio-preview" autoPlay muted playsInline aria-label={t("studio_preview")} />
      <Progress value={stream ? level * 100 : 0} color={level > 0.9 ? "red" : "teal"} mt="xs" aria-label={t("studio_level")} />
    </>
  );
}

interface ChoicesProps {
  wish: CaptureWish;
  devices: Devices;
  disabled: boolean;
  change: (part: Partial<CaptureWish>) => void;
}

function Choices({ wish, devices, disabled, change }: ChoicesProps) {
  const t = useText();
  const kinds = (["camera", "screen"] as const).map((kind) => ({ value: kind, label: t(`studio_${kind}`) }));
  const named = (list: MediaDeviceInfo[]) => list.filter((d) => d.deviceId).map((d) => ({ value: d.deviceId, label: d.label || t("studio_device") }));
  const { picture } = wish;
  return (
    <Stack gap="sm">
      <SegmentedControl
        fullWidth
        disabled={disabled}
        value={picture.kind}
        data={kinds}
        onChange={(kind) => change({ picture: { kind } })}
        aria-label={t("studio_picture")}
      />
      {picture.kind === "camera" && (
        <NativeSelect
          label={t("studio_camera")}
          disabled={disabled}
          value={picture.deviceId ?? ""}
          data={[{ value: "", label: t("studio_default_device") }, ...named(devices.cameras)]}
          onChange={(e) => change({ picture: { kind: "camera", ...(e.currentTarget.value && { deviceId: e.currentTarget.value }) } })}
        />
      )}
      <NativeSelect
        label={t("studio_microphone")}
        disabled={disabled}
        value={wish.microphone ?? NO_MICROPHONE}
        data={[
          { value: "", label: t("studio_default_device") },
          ...named(devices.microphones),
          { value: NO_MICROPHONE, label: t(picture.kind === "screen" ? "studio_screen_sound" : "studio_no_microphone") },
        ]}
        onChange={(e) => change({ microphone: e.currentTarget.value === NO_MICROPHONE ? undefined : e.currentTarget.value })}
      />
      <Group grow>
        <NativeSelect
          label={t("studio_height")}
          disabled={disabled}
          value={String(wish.height)}
          data={HEIGHTS.map((value) => ({ value, label: `${value}p` }))}
          onChange={(e) => change({ height: Number(e.currentTarget.value) })}
        />
        <NativeSelect
          label={t("studio_rate")}
          disabled={disabled}
          value={String(wish.fps)}
          data={RATES.map((value) => ({ value, label: `${value} fps` }))}
          onChange={(e) => change({ fps: Number(e.currentTarget.value) })}
        />
      </Group>
    </Stack>
  );
}

const STATE_WORDS: Record<ShowState, TextKey> = {
  off: "studio_off",
  connecting: "studio_connecting",
  connected: "studio_connected",
  sending: "studio_sending",
  refused: "studio_refused",
};

function OnAir({ channel, state }: { channel: Channel; state: ShowState }) {
  const t = useText();
  const event = useChannelEvent(channel.id);
  return (
    <>
      <StateBadge state={event?.state ?? channel.state} />
      <Badge variant="light" color={state === "sending" ? "red" : state === "refused" ? "orange" : "gray"} tt="none" data-testid="show-state" data-state={state}>
        {t(STATE_WORDS[state])}
      </Badge>
    </>
  );
}

/** The station's reason, where it turned this browser away. */
function Refused({ channel, show, state }: { channel: Channel; show: Show | undefined; state: ShowState }) {
  const t = useText();
  const incidents = useIncidents();
  const since = show?.began_at_ms ?? Infinity;
  const told = incidents.find(
    (i) => i.kind === "publisher_refused" && i.channel_id === channel.id && new Date(i.at).getTime() >= since - 1000,
  );
  if (!show || !told || state === "sending") return null;
  return (
    <Alert color="orange" title={told.message} data-testid="studio-refused">
      <Button size="xs" variant="light" color="orange" onClick={() => show.tryAgain()}>
        {t("retry")}
      </Button>
    </Alert>
  );
}

function Sent({ show }: { show: Show | undefined }) {
  const t = useText();
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  const numbers = show?.numbers;
  if (!numbers) return <Text size="sm" c="dimmed">{t("studio_numbers_later")}</Text>;
  return (
    <div data-testid="studio-numbers" data-fps={numbers.fps.toFixed(1)} data-bitrate={Math.round(numbers.bitrate_bps)}>
      <Numbers
        cols={{ base: 2 }}
        figures={[
          { label: t("studio_sent_fps"), value: numbers.fps.toFixed(0) },
          { label: t("studio_sent_rate"), value: formatBps(numbers.bitrate_bps) },
          { label: t("studio_target"), value: formatBps(numbers.target_bps) },
          { label: t("studio_dropped"), value: String(numbers.dropped) },
        ]}
      />
      <Text size="xs" c="dimmed" mt="xs">
        {numbers.width}×{numbers.height} · {t("studio_backlog")} {numbers.backlog_ms.toFixed(0)} ms
        {numbers.rtt_ms !== undefined && ` · RTT ${numbers.rtt_ms.toFixed(0)} ms`}
      </Text>
    </div>
  );
}
