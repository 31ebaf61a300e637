/** The first screen: the demo (or the first live channel) playing, what the cloud does now, and where. */

import { Anchor, Badge, Button, Card, Grid, Group, Stack, Text, Title } from "@mantine/core";
import { Link } from "wouter";
import { useIncidents, useOverview } from "../api/live";
import { DEMO_CHANNEL, publicTicketPath, ownTicketPath } from "../api/early";
import type { Channel } from "../api/types";
import { useSession } from "../app/session";
import { formatBps, formatTime } from "../format";
import { useSpeech, useText } from "../i18n";
import { ChannelLine } from "../parts/ChannelLine";
import { Icon } from "../parts/Icon";
import { NodeTable } from "../parts/NodeTable";
import { Numbers } from "../parts/Numbers";
import { PageHead } from "../parts/PageHead";
import { Player } from "../parts/Player";
import { PlayerFacts } from "../parts/PlayerFacts";
import { SiteMap } from "../parts/SiteMap";
import { Trouble } from "../parts/Trouble";
import { useHasDemo } from "../parts/useHasDemo";
import { useList, type List } from "../parts/useList";

export function Overview() {
  const { me, may } = useSession();
  const t = useText();
  const channels = useList<Channel>("/v1/channels?limit=20");
  const operator = (me?.is_operator ?? false) && may("admin");
  return (
    <>
      <PageHead title={t("overview")}>
        {may("member") && (
          <Button component={Link} href="/channels/new" leftSection={<Icon name="plus" />}>
            {t("new_channel")}
          </Button>
        )}
      </PageHead>
      <Grid gap="md">
        <Grid.Col span={{ base: 12, lg: 8 }}>
          <OnAir channels={channels.items} />
        </Grid.Col>
        <Grid.Col span={{ base: 12, lg: 4 }}>
          <Stack>
            {operator ? <CloudNumbers /> : <OwnNumbers channels={channels.items ?? []} />}
            <OwnChannels list={channels} />
            <Incidents />
          </Stack>
        </Grid.Col>
        {operator && (
          <Grid.Col span={12}>
            <Sites />
          </Grid.Col>
        )}
      </Grid>
    </>
  );
}

function OnAir({ channels }: { channels: Channel[] | undefined }) {
  const t = useText();
  const { me } = useSession();
  const [hasDemo, onPlayer, player] = useHasDemo();
  const own = channels?.find((channel) => channel.state === "live") ?? channels?.[0];
  const demo = channels?.find((channel) => me && `${me.tenant.slug}/${channel.slug}` === DEMO_CHANNEL);
  const shown = hasDemo ? demo : own;
  if (!hasDemo && !own) return null;
  const ticketPath = hasDemo ? publicTicketPath(DEMO_CHANNEL) : ownTicketPath(own?.id ?? "");
  return (
    <Card withBorder>
      <Group justify="space-between" mb="sm">
        <Group gap="xs">
          <Badge color="red" tt="none">
            {t("live")}
          </Badge>
          <Text fw={600}>{shown?.name ?? t("demo_on_air")}</Text>
        </Group>
        <Group gap="sm">
          {hasDemo && (
            <Anchor component={Link} href={`/watch/${DEMO_CHANNEL}`} size="sm">
              {t("watch_public")}
            </Anchor>
          )}
          {shown && (
            <Button component={Link} href={`/channels/${shown.slug}`} variant="light" size="xs">
              {t("open_channel")}
            </Button>
          )}
        </Group>
      </Group>
      <Player key={ticketPath} ticketPath={ticketPath} onPlayer={onPlayer} />
      <PlayerFacts player={player} />
    </Card>
  );
}

function CloudNumbers() {
  const t = useText();
  const totals = useOverview()?.totals;
  const show = (value: number | undefined, format: (n: number) => string = String): string =>
    value === undefined ? "–" : format(value);
  return (
    <Numbers
      cols={{ base: 2 }}
      figures={[
        { label: t("viewers"), value: show(totals?.viewers) },
        { label: t("channels_live"), value: show(totals?.channels_live) },
        { label: t("ingress"), value: show(totals?.ingress_bps, formatBps) },
        { label: t("egress"), value: show(totals?.egress_bps, formatBps) },
      ]}
    />
  );
}

function OwnNumbers({ channels }: { channels: Channel[] }) {
  const t = useText();
  const liveCount = channels.filter((channel) => channel.state === "live").length;
  const viewers = channels.reduce((sum, channel) => sum + channel.viewers, 0);
  return (
    <Numbers
      cols={{ base: 2 }}
      figures={[
        { label: t("channels_live"), value: String(liveCount) },
        { label: t("viewers"), value: String(viewers) },
      ]}
    />
  );
}

function OwnChannels({ list }: { list: List<Channel> }) {
  const t = useText();
  return (
    <Card withBorder>
      <Group justify="space-between" mb="xs">
        <Title order={2} size="h4">
          {t("your_channels")}
        </Title>
        <Anchor component={Link} href="/channels" size="sm">
          {t("channels")}
        </Anchor>
      </Group>
      <Trouble error={list.error} retry={list.reload} />
      <Stack gap={4}>
        {list.items?.slice(0, 6).map((channel) => <ChannelLine key={channel.id} channel={channel} />)}
        {list.items?.length === 0 && <Text c="dimmed">{t("none_yet")}</Text>}
      </Stack>
    </Card>
  );
}

function Incidents() {
  const { t, language } = useSpeech();
  const incidents = useIncidents();
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb="xs">
        {t("incidents")}
      </Title>
      <Stack gap="xs" aria-live="polite">
        {incidents.length === 0 && (
          <Text size="sm" c="dimmed">
            {t("no_incidents")}
          </Text>
        )}
        {incidents.slice(0, 5).map((incident) => (
          <div key={`${incident.at}${incident.message}`}>
            <Text size="sm">{incident.message}</Text>
            <Text size="xs" c="dimmed">
              {[formatTime(incident.at, language), incident.kind, incident.node].filter(Boolean).join(" · ")}
            </Text>
          </div>
        ))}
      </Stack>
    </Card>
  );
}

function Sites() {
  const t = useText();
  const overview = useOverview();
  return (
    <Card withBorder>
      <Title order={2} size="h4">
        {t("sites_now")}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {overview ? t("sites_hint") : t("sites_waiting")}
      </Text>
      {overview && <SiteMap sites={overview.sites} />}
      {overview && <NodeTable sites={overview.sites} />}
    </Card>
  );
}
