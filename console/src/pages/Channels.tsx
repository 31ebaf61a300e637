/** All channels of the tenant. */

import { Anchor, Badge, Button } from "@mantine/core";
import { Link } from "wouter";
import { useChannelEvent } from "../api/live";
import type { Channel } from "../api/types";
import { useSession } from "../app/session";
import { formatTime } from "../format";
import { useSpeech } from "../i18n";
import { DataTable } from "../parts/DataTable";
import { Icon } from "../parts/Icon";
import { PageHead } from "../parts/PageHead";
import { StateBadge } from "../parts/StateBadge";
import { useList } from "../parts/useList";

function LiveState({ channel }: { channel: Channel }) {
  return <StateBadge state={useChannelEvent(channel.id)?.state ?? channel.state} />;
}

function LiveViewers({ channel }: { channel: Channel }) {
  return <>{useChannelEvent(channel.id)?.viewers ?? channel.viewers}</>;
}

export default function Channels() {
  const { t, language } = useSpeech();
  const { may } = useSession();
  const list = useList<Channel>("/v1/channels");
  return (
    <>
      <PageHead title={t("channels")}>
        {may("member") && (
          <Button component={Link} href="/channels/new" leftSection={<Icon name="plus" />}>
            {t("new_channel")}
          </Button>
        )}
      </PageHead>
      <DataTable
        list={list}
        rowKey={(channel) => channel.id}
        label={t("channels")}
        columns={[
          {
            title: t("name"),
            cell: (channel) => (
              <Anchor component={Link} href={`/channels/${channel.slug}`} fw={600}>
                {channel.name}
              </Anchor>
            ),
          },
          { title: t("state"), cell: (channel) => <LiveState channel={channel} /> },
          { title: t("viewers"), cell: (channel) => <LiveViewers channel={channel} /> },
          {
            title: t("access"),
            wide: true,
            cell: (channel) => (
              <Badge variant="outline" color={channel.public ? "teal" : "gray"} tt="none">
                {t(channel.public ? "public" : "private")}
              </Badge>
            ),
          },
          { title: t("created"), wide: true, cell: (channel) => formatTime(channel.created_at, language) },
        ]}
      />
    </>
  );
}
