/** The code that puts a public channel into any page. */

import { Alert, Anchor, Stack, Text } from "@mantine/core";
import type { Channel } from "../api/types";
import { useText } from "../i18n";
import { CopyCode, CopyField } from "./Copy";

export function Embed({ channel, tenantSlug }: { channel: Channel; tenantSlug: string }) {
  const t = useText();
  if (!channel.public) return <Alert color="yellow">{t("embed_private")}</Alert>;
  const name = `${tenantSlug}/${channel.slug}`;
  const { origin } = location;
  const script = `<script type="module" src="${origin}/player.js"></script>\n<skyriver-player channel="${name}"></skyriver-player>`;
  const frame = `<iframe src="${origin}/embed.html?channel=${encodeURIComponent(name)}" width="960" height="540" style="border:0" allow="autoplay; fullscreen; picture-in-picture" allowfullscreen></iframe>`;
  return (
    <Stack gap="sm">
      <CopyField label={t("watch_public")} value={`${origin}/watch/${name}`} />
      <Text size="sm">{t("embed_script")}</Text>
      <CopyCode value={script} />
      <Text size="sm">{t("embed_frame")}</Text>
      <CopyCode value={frame} />
      <Text size="sm">
        {t("embed_package")}{" "}
        <Anchor href="/player/README.md" target="_blank" rel="noreferrer">
          /player/README.md
        </Anchor>
      </Text>
    </Stack>
  );
}
