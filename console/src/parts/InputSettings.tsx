/** The backup input and what is shown without any input: doors and a key, the way back, the slate. */

import { Button, FileButton, Group, Image, NativeSelect, Select, SimpleGrid, Stack, Text } from "@mantine/core";
import { useCallback, useEffect, useState } from "react";
import { request, sendFile } from "../api/client";
import type { Channel, MediaFile } from "../api/types";
import { useSession } from "../app/session";
import { useText } from "../i18n";
import { Ingest } from "./Ingest";
import { SecretOnce } from "./SecretOnce";
import { Trouble } from "./Trouble";
import { useAction } from "./useAction";
import { useList } from "./useList";

const REVERT_S = [0, 2, 5, 10, 30, 60, 300];
const SLATE_MINUTES = [0, 1, 5, 15, 60, 240];

interface SlateFilm {
  file_id: string | null;
  file_name: string | null;
}

interface Props {
  channel: Channel;
  onChange: (channel: Channel) => void;
}

type Order =
  | { what: "key" }
  | { what: "set"; fields: Partial<Pick<Channel, "input_revert_s" | "slate_minutes">> }
  | { what: "picture"; file: File | null }
  | { what: "film"; id: string }
  | { what: "no_picture" };

export function InputSettings({ channel, onChange }: Props) {
  const t = useText();
  const { may } = useSession();
  const [secret, setSecret] = useState<string>();
  const [version, setVersion] = useState(0);
  const path = `/v1/channels/${channel.id}`;
  const act = useCallback(
    async (order: Order) => {
      if (order.what === "key") {
        const body = { name: "backup", input: "backup" };
        setSecret((await request<{ secret: string }>(`${path}/stream-keys`, { method: "POST", body })).secret);
      } else if (order.what === "set") {
        onChange(await request<Channel>(path, { method: "PATCH", body: order.fields }));
      } else if (order.what === "film") {
        await request(`${path}/slate/film`, { method: "PUT", body: { file_id: order.id } });
        setVersion((n) => n + 1);
      } else if (order.what === "no_picture") {
        await request(`${path}/slate`, { method: "DELETE" });
        setVersion((n) => n + 1);
      } else if (order.file) {
        await sendFile(`${path}/slate`, order.file);
        setVersion((n) => n + 1);
      }
    },
    [path, onChange],
  );
  const action = useAction(act);
  const films = (useList<MediaFile>("/v1/media-files?limit=100").items ?? []).filter((file) => !file.slate_obstacle);
  const [film, setFilm] = useState<SlateFilm>();
  useEffect(() => {
    request<SlateFilm>(`${path}/slate/film`).then(setFilm, () => setFilm(undefined));
  }, [path, version]);
  const locked = action.busy || !may("member");
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl">
      <Stack gap="sm">
        <Text size="sm">{t("backup_about")}</Text>
        {secret && (
          <SecretOnce title={t("stream_key")} text={t("key_once")} secret={secret} onDone={() => setSecret(undefined)} />
        )}
        <Group>
          <Button size="xs" variant="light" disabled={locked} onClick={() => action.run({ what: "key" })}>
            {t("backup_key")}
          </Button>
        </Group>
        {channel.ingest.backup && (
          <Ingest urls={channel.ingest.backup} {...(secret ? { streamKey: secret } : {})} />
        )}
      </Stack>
      <Stack gap="sm">
        <Trouble error={action.error} />
        <NativeSelect
          label={t("revert_label")}
          disabled={locked}
          value={String(channel.input_revert_s)}
          onChange={(e) => action.run({ what: "set", fields: { input_revert_s: Number(e.currentTarget.value) } })}
          data={choices(REVERT_S, channel.input_revert_s, (s) => (s ? t("revert_after", { seconds: s }) : t("revert_never")))}
        />
        <NativeSelect
          label={t("slate_label")}
          disabled={locked}
          value={String(channel.slate_minutes)}
          onChange={(e) => action.run({ what: "set", fields: { slate_minutes: Number(e.currentTarget.value) } })}
          data={choices(SLATE_MINUTES, channel.slate_minutes, (m) => (m ? t("slate_for", { minutes: m }) : t("slate_off")))}
        />
        <Image src={`${path}/slate?v=${version}`} alt={t("slate_preview")} radius="sm" maw={480} />
        {film?.file_name && (
          <Text size="sm" c="dimmed" style={{ overflowWrap: "anywhere" }}>
            {t("slate_film_now", { name: film.file_name })}
          </Text>
        )}
        {films.length > 0 && (
          <Select
            label={t("slate_film")}
            placeholder={t("slate_film_none")}
            disabled={locked}
            data={films.map((file) => ({ value: file.id, label: file.name }))}
            value={film?.file_id ?? null}
            onChange={(id) => id && action.run({ what: "film", id })}
          />
        )}
        <Group>
          <FileButton accept="image/png,image/jpeg" disabled={locked} onChange={(file) => action.run({ what: "picture", file })}>
            {(props) => (
              <Button {...props} size="xs" variant="light" loading={action.busy}>
                {t("slate_upload")}
              </Button>
            )}
          </FileButton>
          <Button size="xs" variant="default" disabled={locked} onClick={() => action.run({ what: "no_picture" })}>
            {t("slate_builtin")}
          </Button>
        </Group>
      </Stack>
    </SimpleGrid>
  );
}

/** What can be chosen; a value that was set elsewhere is among it. */
function choices(values: number[], now: number, label: (value: number) => string): { value: string; label: string }[] {
  const all = values.includes(now) ? values : [...values, now].sort((a, b) => a - b);
  return all.map((value) => ({ value: String(value), label: label(value) }));
}
