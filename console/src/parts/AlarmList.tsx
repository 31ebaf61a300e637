/** Alarms, each with what is the case, what to do, and a button to take it on. */

import { Badge, Button, Card, Group, Stack, Text } from "@mantine/core";
import { request } from "../api/client";
import { live } from "../api/live";
import type { Alarm } from "../api/types";
import { useSession } from "../app/session";
import { formatTime } from "../format";
import { isTextKey, useSpeech } from "../i18n";
import { Trouble } from "./Trouble";
import { useAction } from "./useAction";
import "./signals.css";

export async function acknowledge(alarm: Alarm): Promise<void> {
  live.takeAlarm(await request<Alarm>(`/v1/alarms/${alarm.id}/acknowledge`, { method: "POST" }));
}

/** What is wrong, in the reader's language; kinds that a newer server invented keep the server's words. */
export function useAlarmName(): (alarm: Alarm) => string {
  const { t } = useSpeech();
  return (alarm) => {
    const key = `alarm_${alarm.kind}`;
    return isTextKey(key) ? t(key) : alarm.kind.replaceAll("_", " ");
  };
}

export function AlarmList({ alarms }: { alarms: readonly Alarm[] }) {
  const { t, language } = useSpeech();
  const { may } = useSession();
  const nameOf = useAlarmName();
  const taking = useAction(acknowledge);
  if (alarms.length === 0) return <Text c="dimmed" size="sm">{t("no_alarms")}</Text>;
  return (
    <Stack gap="xs" aria-live="polite">
      <Trouble error={taking.error} />
      {alarms.map((alarm) => (
        <Card key={alarm.id} withBorder padding="sm" className={`alarm ${alarm.cleared_at ? "over" : alarm.severity}`}>
          <Group justify="space-between" wrap="nowrap" align="flex-start" gap="xs">
            <div className="alarm-text">
              <Group gap={6}>
                <Badge size="sm" tt="none" color={alarm.severity === "critical" ? "red" : "orange"} variant={alarm.acknowledged_at ? "light" : "filled"}>
                  {nameOf(alarm)}
                </Badge>
                <Text size="sm" fw={600}>{alarm.subject.name}</Text>
                {alarm.count > 1 && <Text size="xs" c="dimmed">{t("alarm_times", { count: alarm.count })}</Text>}
              </Group>
              <Text size="sm" mt={4}>{alarm.message}</Text>
              <Text size="xs" c="dimmed">{alarm.hint}</Text>
              <Text size="xs" c="dimmed" mt={2}>
                {formatTime(alarm.raised_at, language)}
                {alarm.cleared_at && ` – ${formatTime(alarm.cleared_at, language)}`}
                {alarm.acknowledged_at && ` · ${t("acknowledged")}`}
              </Text>
            </div>
            {!alarm.acknowledged_at && !alarm.cleared_at && may("member") && (
              <Button size="compact-xs" variant="default" disabled={taking.busy} onClick={() => taking.run(alarm)} miw="max-content">
                {t("acknowledge")}
              </Button>
            )}
          </Group>
        </Card>
      ))}
    </Stack>
  );
}
