/** How a channel is recorded, and for how long recordings are kept. */

import { Button, Card, Group, NativeSelect, NumberInput, Switch, Title } from "@mantine/core";
import { useCallback, useEffect, useState, type SubmitEvent } from "react";
import { request } from "../api/client";
import type { RecordingSettings } from "../api/recordings";
import { useSession } from "../app/session";
import { useText } from "../i18n";
import { Trouble } from "./Trouble";
import { useAction } from "./useAction";

export function RecordingSettingsCard({ slug, onSaved }: { slug: string; onSaved: () => void }) {
  const t = useText();
  const { may } = useSession();
  const path = `/v1/channels/${encodeURIComponent(slug)}/recording`;
  const [settings, setSettings] = useState<RecordingSettings>();
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    request<RecordingSettings>(path).then(setSettings, setError);
  }, [path]);
  const save = useCallback(
    async (change: Partial<RecordingSettings>) => {
      setSettings(await request<RecordingSettings>(path, { method: "PATCH", body: change }));
      onSaved();
    },
    [path, onSaved],
  );
  const action = useAction(save);
  if (!settings) return <Trouble error={error} />;
  const set = (change: Partial<RecordingSettings>): void => setSettings({ ...settings, ...change });
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const { retention_days, dvr_minutes, renditions } = settings;
    action.run({ retention_days, dvr_minutes, renditions });
  };
  return (
    <Card withBorder mb="md">
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          {t("recording_settings")}
        </Title>
        <Switch
          label={t("record_shows")}
          checked={settings.enabled}
          disabled={!may("member") || action.busy}
          onChange={(event) => action.run({ enabled: event.currentTarget.checked })}
        />
      </Group>
      <form onSubmit={submit}>
        <Group align="flex-end" gap="sm">
          <NumberInput
            w={{ base: "100%", xs: 150 }}
            label={t("retention_days")}
            min={1}
            max={3650}
            value={settings.retention_days}
            onChange={(value) => set({ retention_days: Number(value) || 1 })}
          />
          <NumberInput
            w={{ base: "100%", xs: 230 }}
            label={t("dvr_minutes")}
            min={0}
            max={720}
            value={settings.dvr_minutes}
            onChange={(value) => set({ dvr_minutes: Number(value) || 0 })}
          />
          <NativeSelect
            w={{ base: "100%", xs: 170 }}
            label={t("recorded_renditions")}
            value={settings.renditions}
            onChange={(event) => set({ renditions: event.currentTarget.value === "top" ? "top" : "all" })}
            data={[
              { value: "all", label: t("renditions_all") },
              { value: "top", label: t("renditions_top") },
            ]}
          />
          {may("member") && (
            <Button type="submit" variant="light" loading={action.busy}>
              {t("save")}
            </Button>
          )}
        </Group>
      </form>
      <Trouble error={action.error} />
    </Card>
  );
}
