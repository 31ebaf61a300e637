/** What was measured of a channel's pictures, what was chosen from it, and the button that keeps the profile's ladder. */

import { Card, Group, NativeSelect, Stack, Text, Title } from "@mantine/core";
import { useCallback } from "react";
import { request } from "../api/client";
import { useChannelEvent } from "../api/live";
import type { Channel, RenditionQuality } from "../api/types";
import { useSession } from "../app/session";
import { formatBps } from "../format";
import { useText } from "../i18n";
import { Trouble } from "./Trouble";
import { useAction } from "./useAction";

interface Props {
  channel: Channel;
  onChange: (channel: Channel) => void;
}

export function LadderCard({ channel, onChange }: Props) {
  const t = useText();
  const { may } = useSession();
  const event = useChannelEvent(channel.id);
  const act = useCallback(
    async (ladder: string) => {
      onChange(await request<Channel>(`/v1/channels/${channel.id}`, { method: "PATCH", body: { ladder } }));
    },
    [channel.id, onChange],
  );
  const action = useAction(act);
  const renditions: { name: string; quality?: RenditionQuality | null }[] = event?.renditions.length
    ? event.renditions
    : channel.renditions;
  const measured = renditions.flatMap(({ name, quality }) => (quality ? [{ name, quality }] : []));
  const saved = savedOf(measured);
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb="sm">
        {t("ladder")}
      </Title>
      <Stack gap="sm">
        <Trouble error={action.error} />
        <NativeSelect
          label={t("ladder_policy")}
          disabled={action.busy || !may("member")}
          value={channel.ladder ?? "adaptive"}
          onChange={(e) => action.run(e.currentTarget.value)}
          data={[
            { value: "adaptive", label: t("ladder_adaptive") },
            { value: "fixed", label: t("ladder_fixed") },
          ]}
        />
        <Text size="sm" c="dimmed">
          {t("ladder_about")}
        </Text>
        {saved === undefined && <Text size="sm">{t("ladder_unmeasured")}</Text>}
        {saved !== undefined && (
          <Group justify="space-between" wrap="nowrap">
            <Text size="sm">{t("ladder_saved")}</Text>
            <Text fw={600} style={{ whiteSpace: "nowrap" }}>{`${Math.round(saved * 100)} %`}</Text>
          </Group>
        )}
        {measured.some(({ quality }) => quality.withdrawn) && <Text size="sm">{t("ladder_withdrawn")}</Text>}
        {measured.map(({ name, quality }) => (
          <Rung key={name} name={name} quality={quality} />
        ))}
      </Stack>
    </Card>
  );
}

function Rung({ name, quality }: { name: string; quality: RenditionQuality }) {
  const t = useText();
  const profile = formatBps(quality.profile_bps);
  const { carried_by, carrier_ssim, enlarged_ssim } = quality;
  return (
    <div>
      <Text size="sm" fw={600}>
        {name}
      </Text>
      <Text size="sm" c="dimmed">
        {quality.crf === null
          ? t("rung_whole", { profile, profile_ssim: quality.profile_ssim.toFixed(3) })
          : t("rung_measured", {
              crf: quality.crf,
              needs: formatBps(quality.needs_bps),
              ssim: quality.ssim.toFixed(3),
              profile,
              profile_ssim: quality.profile_ssim.toFixed(3),
            })}
      </Text>
      {carried_by && (
        <Text size="sm">
          {t("rung_carried", {
            carrier: carried_by,
            better: (carrier_ssim ?? 0).toFixed(3),
            worse: (enlarged_ssim ?? 0).toFixed(3),
          })}
        </Text>
      )}
      {!carried_by && quality.cap_bps < quality.profile_bps && (
        <Text size="sm">{t("rung_capped", { cap: formatBps(quality.cap_bps), profile })}</Text>
      )}
    </div>
  );
}

interface Measured {
  name: string;
  quality: RenditionQuality;
}

/**
 * Share of the profile's bits, all renditions together, as measured; undefined before the first measurement. Whoever
 * watches a rendition that is carried gets the bits of the one that carries it.
 */
function savedOf(measured: readonly Measured[]): number | undefined {
  const sent = new Map(measured.map(({ name, quality }) => [name, quality]));
  const whole = measured.reduce((sum, { quality }) => sum + quality.profile_bps, 0);
  const needed = measured.reduce((sum, { quality }) => {
    const { needs_bps } = sent.get(quality.carried_by ?? "") ?? quality;
    return sum + Math.min(needs_bps, quality.profile_bps);
  }, 0);
  return whole > 0 ? 1 - needed / whole : undefined;
}
