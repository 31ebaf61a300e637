/** What counts as wrong on a channel, and for how long before it is an alarm; and the loudness its sound is brought to. */

import { Button, Fieldset, Group, NativeSelect, NumberInput, SimpleGrid, Stack, Switch, Text } from "@mantine/core";
import { useCallback, useEffect, useState, type SubmitEvent } from "react";
import { request } from "../api/client";
import type { Channel, DetectorSettings } from "../api/types";
import { useSession } from "../app/session";
import { useText, type TextKey } from "../i18n";
import { CHECKS, DEFAULTS, fieldOf, LOUDNESS_LUFS, valueOf, type Check } from "./checks";
import { Trouble } from "./Trouble";
import { useAction } from "./useAction";

interface Props {
  channel: Channel;
  onChange: (channel: Channel) => void;
}

export function ChecksSettings({ channel, onChange }: Props) {
  return (
    <Stack gap="lg">
      <LoudnessTarget channel={channel} onChange={onChange} />
      <Thresholds channelId={channel.id} />
    </Stack>
  );
}

function LoudnessTarget({ channel, onChange }: Props) {
  const t = useText();
  const { may } = useSession();
  const path = `/v1/channels/${channel.id}`;
  const set = useCallback(
    async (loudness_lufs: number) => onChange(await request<Channel>(path, { method: "PATCH", body: { loudness_lufs } })),
    [path, onChange],
  );
  const action = useAction(set);
  const now = channel.loudness_lufs;
  const values = LOUDNESS_LUFS.includes(now) ? LOUDNESS_LUFS : [...LOUDNESS_LUFS, now];
  const label = (lufs: number): string => {
    if (lufs === 0) return t("loudness_as_is");
    return { [-14]: t("loudness_web"), [-23]: t("loudness_ebu"), [-24]: t("loudness_atsc") }[lufs] ?? `${lufs} LUFS`;
  };
  return (
    <Stack gap="xs">
      <NativeSelect
        maw={460}
        label={t("loudness_label")}
        description={t("loudness_about")}
        disabled={action.busy || !may("member")}
        value={String(now)}
        onChange={(event) => action.run(Number(event.currentTarget.value))}
        data={values.map((lufs) => ({ value: String(lufs), label: label(lufs) }))}
      />
      <Trouble error={action.error} />
    </Stack>
  );
}

function Thresholds({ channelId }: { channelId: string }) {
  const t = useText();
  const { may } = useSession();
  const path = `/v1/channels/${channelId}/detectors`;
  const [settings, setSettings] = useState<DetectorSettings>();
  const [saved, setSaved] = useState(false);
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    request<DetectorSettings>(path).then(setSettings, setError);
  }, [path]);
  const save = useCallback(
    async (wanted: DetectorSettings) => {
      setSettings(await request<DetectorSettings>(path, { method: "PUT", body: wanted }));
      setSaved(true);
    },
    [path],
  );
  const action = useAction(save);
  if (!settings) return <Trouble error={error} />;
  const locked = action.busy || !may("member");
  const set = (change: Partial<DetectorSettings>): void => {
    setSaved(false);
    setSettings({ ...settings, ...change });
  };
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    action.run(settings);
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <Text size="sm">{t("checks_about")}</Text>
        <Switch
          label={t("checks_enabled")}
          checked={settings.enabled}
          disabled={locked}
          onChange={(event) => set({ enabled: event.currentTarget.checked })}
        />
        <SimpleGrid cols={{ base: 1, sm: 2, lg: 4 }} spacing="sm">
          {CHECKS.map((check) => (
            <CheckFields key={check.name} check={check} settings={settings} locked={locked || !settings.enabled} onSet={set} />
          ))}
        </SimpleGrid>
        {may("member") && (
          <Group>
            <Button type="submit" variant="light" loading={action.busy}>
              {t("save")}
            </Button>
            <Button variant="subtle" disabled={locked} onClick={() => set(DEFAULTS)}>
              {t("checks_defaults")}
            </Button>
            <Text size="sm" role="status">
              {saved ? t("checks_saved") : ""}
            </Text>
          </Group>
        )}
        <Trouble error={action.error} />
      </Stack>
    </form>
  );
}

interface FieldsProps {
  check: Check;
  settings: DetectorSettings;
  locked: boolean;
  onSet: (change: Partial<DetectorSettings>) => void;
}

function CheckFields({ check, settings, locked, onSet }: FieldsProps) {
  const t = useText();
  return (
    <Fieldset legend={t(`check_${check.name}` satisfies TextKey)} p="sm" disabled={locked}>
      <Stack gap="xs">
        {check.fields.map((field) => (
          <NumberInput
            key={field.key}
            size="xs"
            label={t(field.label)}
            suffix={field.suffix}
            min={field.min}
            max={field.max}
            step={field.step}
            decimalScale={field.decimals}
            clampBehavior="strict"
            value={fieldOf(field, settings)}
            onChange={(value) => onSet({ [field.key]: valueOf(field, value) })}
          />
        ))}
      </Stack>
    </Fieldset>
  );
}
