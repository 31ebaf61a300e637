/** The code that puts a public channel into any page. */

import { Alert, Stack, Text } from "@mantine/core";
import type { Channel } from "../api/types";
import { useText } from "../i18n";
import { CopyCode, CopyField } from "./Copy";

export function Embed({ channel, tenantSlug }: { channel: Channel; tenantSlug: string }) {
  const t = useText();
  if (!channel.public) return <Alert color="yellow">{t("embed_private")}</Alert>;
  const name = `${tenantSlug}/${channel.slug}`;
  const { origin } = location;
  return (
    <Stack gap="sm">
      <CopyField label={t("watch_public")} value={`${origin}/watch/${name}`} />
      <Text size="sm">{t("embed_hint")}</Text>
      <CopyCode
        value={`<iframe src="${origin}/embed.html?channel=${encodeURIComponent(name)}" width="960" height="540" style="border:0" allow="autoplay; fullscreen" allowfullscreen></iframe>`}
      />
    </Stack>
  );
}
