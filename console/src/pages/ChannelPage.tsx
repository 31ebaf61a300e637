/** One channel: its picture, what comes in and goes out, how to send, drills, keys, embedding. */

import { Badge, Button, Card, Center, Grid, Group, Loader, Stack, Tabs, Text, Title } from "@mantine/core";
import { lazy, Suspense, useCallback, useEffect, useState } from "react";
import { Link, useLocation } from "wouter";
import { ApiError, request } from "../api/client";
import { ownTicketPath } from "../api/early";
import { useAlarms, useChannelEvent } from "../api/live";
import type { Channel, ChannelEvent, ChannelInput } from "../api/types";
import { useSession } from "../app/session";
import { formatBps, formatTime } from "../format";
import { useSpeech, useText } from "../i18n";
import type { SkyriverPlayer } from "../player";
import { AlarmList } from "../parts/AlarmList";
import { CaptionSettings } from "../parts/CaptionSettings";
import { ChecksSettings } from "../parts/ChecksSettings";
import { Drill } from "../parts/Drill";
import { Embed } from "../parts/Embed";
import { Incidents } from "../parts/Incidents";
import { Ingest } from "../parts/Ingest";
import { Nothing } from "../parts/Nothing";
import { InputSettings } from "../parts/InputSettings";
import { LadderCard } from "../parts/LadderCard";
import { Numbers } from "../parts/Numbers";
import { PageHead } from "../parts/PageHead";
import { Player } from "../parts/Player";
import { PlayerFacts } from "../parts/PlayerFacts";
import { DestinationsCard, PullCard } from "../parts/Relaying";
import { Sight } from "../parts/Sight";
import { StateBadge } from "../parts/StateBadge";
import { StreamKeys } from "../parts/StreamKeys";
import { Trouble } from "../parts/Trouble";
import { useAction } from "../parts/useAction";

// The graphs' library must not delay the picture.
const QoeCharts = lazy(() => import("../parts/QoeCharts"));
const ChannelGraphs = lazy(() => import("../parts/ChannelGraphs"));

export default function ChannelPage({ slug }: { slug: string }) {
  const t = useText();
  const [channel, setChannel] = useState<Channel>();
  const [error, setError] = useState<unknown>();
  const [player, setPlayer] = useState<SkyriverPlayer>();
  const [round, setRound] = useState(0);
  useEffect(() => {
    request<Channel>(`/v1/channels/${encodeURIComponent(slug)}`).then((found) => {
      setError(undefined);
      setChannel(found);
    }, setError);
  }, [slug, round]);

  if (error instanceof ApiError && error.status === 404) {
    return <Nothing text={t("no_such_channel")} href="/channels" link={t("to_channels")} />;
  }
  if (error !== undefined) return <Trouble error={error} retry={() => setRound(round + 1)} />;
  return (
    <>
      {channel && <Head channel={channel} onChange={setChannel} />}
      <Grid gap="md">
        <Grid.Col span={{ base: 12, lg: 8 }}>
          <Stack>
            <Card withBorder>
              <Player ticketPath={ownTicketPath(slug)} onPlayer={setPlayer} />
              <PlayerFacts player={player} />
            </Card>
            {channel && <Drill channelId={channel.id} player={player} />}
          </Stack>
        </Grid.Col>
        <Grid.Col span={{ base: 12, lg: 4 }}>
          {channel && (
            <Stack>
              <Now channel={channel} />
              {channel.profile !== "source" && <LadderCard channel={channel} onChange={setChannel} />}
              <ChannelAlarms channelId={channel.id} />
              <Incidents channelId={channel.id} />
            </Stack>
          )}
        </Grid.Col>
        {channel && (
          <Grid.Col span={12}>
            <Suspense fallback={<Center p="xl"><Loader aria-label={t("loading")} /></Center>}>
              <ChannelGraphs channelId={channel.id} player={player} />
            </Suspense>
          </Grid.Col>
        )}
        {channel && (
          <Grid.Col span={12}>
            <Sight channel={channel} />
          </Grid.Col>
        )}
        {channel && (
          <Grid.Col span={12}>
            <Suspense fallback={null}>
              <QoeCharts channelId={channel.id} />
            </Suspense>
          </Grid.Col>
        )}
        {channel && (
          <>
            <Grid.Col span={{ base: 12, md: 5 }}>
              <PullCard channelId={channel.id} />
            </Grid.Col>
            <Grid.Col span={{ base: 12, md: 7 }}>
              <DestinationsCard channelId={channel.id} />
            </Grid.Col>
          </>
        )}
        {channel && (
          <Grid.Col span={12}>
            <Details channel={channel} onChange={setChannel} />
          </Grid.Col>
        )}
      </Grid>
    </>
  );
}

function Head({ channel, onChange }: { channel: Channel; onChange: (channel: Channel) => void }) {
  const { t } = useSpeech();
  const { may } = useSession();
  const [, go] = useLocation();
  const state = useChannelEvent(channel.id)?.state ?? channel.state;
  const act = useCallback(
    async (what: "delete" | "publish") => {
      const path = `/v1/channels/${channel.id}`;
      if (what === "publish") {
        onChange(await request<Channel>(path, { method: "PATCH", body: { public: !channel.public } }));
        return;
      }
      if (!window.confirm(t("delete_channel_confirm", { name: channel.name }))) return;
      await request(path, { method: "DELETE" });
      go("/channels");
    },
    [channel, onChange, go, t],
  );
  const action = useAction(act);
  return (
    <>
      <PageHead
        title={
          <Group gap="sm" component="span">
            {channel.name} <StateBadge state={state} />
            <Badge variant="outline" color={channel.public ? "teal" : "gray"} tt="none">
              {t(channel.public ? "public" : "private")}
            </Badge>
          </Group>
        }
      >
        <Button component={Link} href={`/channels/${channel.slug}/recordings`} variant="default" size="xs">
          {t("recordings")}
        </Button>
        {may("member") && (
          <>
            <Button component={Link} href={`/studio/${channel.slug}`} variant="light" size="xs">
              {t("studio_link")}
            </Button>
            <Button variant="default" size="xs" loading={action.busy} onClick={() => action.run("publish")}>
              {t(channel.public ? "make_private" : "make_public")}
            </Button>
            <Button variant="light" color="red" size="xs" disabled={action.busy} onClick={() => action.run("delete")}>
              {t("delete_channel")}
            </Button>
          </>
        )}
      </PageHead>
      <Trouble error={action.error} />
    </>
  );
}

function ChannelAlarms({ channelId }: { channelId: string }) {
  const t = useText();
  const own = useAlarms().filter((alarm) => alarm.subject.id === channelId);
  if (own.length === 0) return null;
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb="sm">
        {t("alarms")}
      </Title>
      <AlarmList alarms={own} />
    </Card>
  );
}

function Now({ channel }: { channel: Channel }) {
  const { t } = useSpeech();
  const event = useChannelEvent(channel.id);
  const input = event ? event.input : channel.input;
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb="sm">
        {t("now")}
      </Title>
      <Numbers
        cols={{ base: 2 }}
        figures={[
          { label: t("viewers"), value: String(event?.viewers ?? channel.viewers) },
          { label: t("egress"), value: formatBps(event?.egress_bps ?? 0) },
        ]}
      />
      <Stack gap={6} mt="sm">
        {input ? <Source input={input} /> : <Text size="sm">{t("no_input")}</Text>}
        {largestFirst<Rendition>(event?.renditions.length ? event.renditions : channel.renditions).map((rendition) => (
          <Group key={rendition.name} justify="space-between" wrap="nowrap">
            <Text size="sm">{rendition.name}</Text>
            <Text size="sm" c="dimmed">
              {formatBps(rendition.bitrate_bps)}
              {"fps" in rendition ? ` · ${rendition.fps.toFixed(0)} fps` : ` · ${rendition.width}×${rendition.height}`}
            </Text>
          </Group>
        ))}
      </Stack>
    </Card>
  );
}

type Rendition = ChannelEvent["renditions"][number] | Channel["renditions"][number];

/** The source, then the ladder from the top; a rendition is named by its height. */
function largestFirst<T extends { name: string }>(renditions: readonly T[]): T[] {
  const height = (rendition: T): number => (rendition.name === "source" ? Infinity : Number.parseInt(rendition.name) || 0);
  return [...renditions].sort((a, b) => height(b) - height(a));
}

function Source({ input }: { input: ChannelInput }) {
  const { t, language } = useSpeech();
  const parts = [
    `${input.width}×${input.height}`,
    `${input.fps.toFixed(0)} fps`,
    input.codec,
    formatBps(input.bitrate_bps),
    input.audio && `${t("audio")} ${input.audio}`,
    t("since", { time: formatTime(input.since, language) }),
  ];
  return (
    <Text size="sm">
      <b>{t("source")}</b> {parts.filter(Boolean).join(" · ")}
    </Text>
  );
}

function Details({ channel, onChange }: { channel: Channel; onChange: (channel: Channel) => void }) {
  const t = useText();
  const { me } = useSession();
  const [secret, setSecret] = useState<string>();
  return (
    <Card withBorder>
      <Tabs defaultValue="ingest" keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="ingest">{t("ingest")}</Tabs.Tab>
          <Tabs.Tab value="keys">{t("stream_keys")}</Tabs.Tab>
          <Tabs.Tab value="inputs">{t("inputs_tab")}</Tabs.Tab>
          <Tabs.Tab value="checks">{t("checks_tab")}</Tabs.Tab>
          <Tabs.Tab value="captions">{t("captions_tab")}</Tabs.Tab>
          <Tabs.Tab value="embed">{t("embed")}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="ingest">
          <Ingest urls={channel.ingest} {...(secret ? { streamKey: secret } : {})} />
        </Tabs.Panel>
        <Tabs.Panel value="keys">
          <StreamKeys channelId={channel.id} onSecret={setSecret} />
        </Tabs.Panel>
        <Tabs.Panel value="inputs">
          <InputSettings channel={channel} onChange={onChange} />
        </Tabs.Panel>
        <Tabs.Panel value="checks">
          <ChecksSettings channel={channel} onChange={onChange} />
        </Tabs.Panel>
        <Tabs.Panel value="captions">
          <CaptionSettings channelId={channel.id} />
        </Tabs.Panel>
        <Tabs.Panel value="embed">
          <Embed channel={channel} tenantSlug={me?.tenant.slug ?? ""} />
        </Tabs.Panel>
      </Tabs>
    </Card>
  );
}
