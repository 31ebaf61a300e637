/** The first screen: the demo (or the first live channel) playing, what the cloud does now, and where. */

import { Anchor, Button, Card, Grid, Group, Stack, Text, Title } from "@mantine/core";
import { Link } from "wouter";
import { useChannelEvent, useOverview } from "../api/live";
import { DEMO_CHANNEL, publicTicketPath, ownTicketPath } from "../api/early";
import type { Channel } from "../api/types";
import { useSession } from "../app/session";
import { formatBps } from "../format";
import { useText } from "../i18n";
import { ChannelLine } from "../parts/ChannelLine";
import { Icon } from "../parts/Icon";
import { Incidents } from "../parts/Incidents";
import { NodeTable } from "../parts/NodeTable";
import { Numbers } from "../parts/Numbers";
import { PageHead } from "../parts/PageHead";
import { Player } from "../parts/Player";
import { PlayerFacts } from "../parts/PlayerFacts";
import { SiteMap } from "../parts/SiteMap";
import { StateBadge } from "../parts/StateBadge";
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

/** The channel to show: the demo where there is one, else the tenant's own, one on air before others. */
function useShown(channels: Channel[] | undefined, hasDemo: boolean): Channel | undefined {
  const { me } = useSession();
  if (!hasDemo) return channels?.find((channel) => channel.state === "live") ?? channels?.[0];
  return channels?.find((channel) => me && `${me.tenant.slug}/${channel.slug}` === DEMO_CHANNEL);
}

function OnAir({ channels }: { channels: Channel[] | undefined }) {
  const [hasDemo, onPlayer, player] = useHasDemo();
  const shown = useShown(channels, hasDemo);
  if (!hasDemo && !shown) return null;
  const ticketPath = hasDemo ? publicTicketPath(DEMO_CHANNEL) : ownTicketPath(shown?.id ?? "");
  return (
    <Card withBorder>
      <OnAirHead channel={shown} isDemo={hasDemo} />
      <Player key={ticketPath} ticketPath={ticketPath} onPlayer={onPlayer} />
      <PlayerFacts player={player} />
    </Card>
  );
}

/** @param channel undefined where the demo is another tenant's */
function OnAirHead({ channel, isDemo }: { channel: Channel | undefined; isDemo: boolean }) {
  const t = useText();
  const event = useChannelEvent(channel?.id);
  return (
    <Group justify="space-between" mb="sm">
      <Group gap="xs">
        {channel && <StateBadge state={event?.state ?? channel.state} />}
        <Text fw={600}>{channel?.name ?? t("demo_on_air")}</Text>
      </Group>
      <Group gap="sm">
        {isDemo && (
          <Anchor component={Link} href={`/watch/${DEMO_CHANNEL}`} size="sm">
            {t("watch_public")}
          </Anchor>
        )}
        {channel && (
          <Button component={Link} href={`/channels/${channel.slug}`} variant="light" size="xs">
            {t("open_channel")}
          </Button>
        )}
      </Group>
    </Group>
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
