/** What went wrong since the page was opened, newest first: everywhere, or on one channel. */

import { Card, Stack, Text, Title } from "@mantine/core";
import { useIncidents } from "../api/live";
import { formatTime } from "../format";
import { useSpeech } from "../i18n";

const SHOWN = 5;

/** @param channelId only this channel's, and nothing at all while there are none */
export function Incidents({ channelId }: { channelId?: string }) {
  const { t, language } = useSpeech();
  const all = useIncidents();
  const incidents = channelId ? all.filter((incident) => incident.channel_id === channelId) : all;
  if (channelId && incidents.length === 0) return null;
  return (
    <Card withBorder data-testid="incidents">
      <Title order={2} size="h4" mb="xs">
        {t("incidents")}
      </Title>
      <Stack gap="xs" aria-live="polite">
        {incidents.length === 0 && (
          <Text size="sm" c="dimmed">
            {t("no_incidents")}
          </Text>
        )}
        {incidents.slice(0, SHOWN).map((incident) => (
          <div key={`${incident.at}${incident.message}`}>
            {incident.kind === "publisher_refused" && (
              <Text size="sm" fw={600}>
                {t("incident_refused")}
              </Text>
            )}
            <Text size="sm">{incident.message}</Text>
            <Text size="xs" c="dimmed">
              {[formatTime(incident.at, language), incident.node].filter(Boolean).join(" · ")}
            </Text>
          </div>
        ))}
      </Stack>
    </Card>
  );
}
