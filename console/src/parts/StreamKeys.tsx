/** The keys encoders push with: added, replaced and revoked; their secrets are shown once. */

import { Badge, Button, Group, Stack, Text } from "@mantine/core";
import { useCallback, useState } from "react";
import { request } from "../api/client";
import type { StreamKey } from "../api/types";
import { formatTime } from "../format";
import { useSpeech } from "../i18n";
import { useSession } from "../app/session";
import { DataTable } from "./DataTable";
import { SecretOnce } from "./SecretOnce";
import { Trouble } from "./Trouble";
import { useAction } from "./useAction";
import { useList } from "./useList";

interface CreatedKey extends StreamKey {
  secret: string;
}

interface Props {
  channelId: string;
  onSecret: (secret: string | undefined) => void;
}

export function StreamKeys({ channelId, onSecret }: Props) {
  const path = `/v1/channels/${channelId}/stream-keys`;
  const list = useList<StreamKey>(path);
  const [secret, setSecret] = useState<string>();
  const [passphrase, setPassphrase] = useState<string>();
  const { t, language } = useSpeech();
  const { may } = useSession();
  const { reload } = list;

  const show = useCallback(
    (value: string | undefined) => {
      setSecret(value);
      onSecret(value);
    },
    [onSecret],
  );
  const act = useCallback(
    async (what: "add" | "rotate" | "revoke" | "encrypt" | "decrypt", key?: StreamKey) => {
      const sealed = `${path}/${key?.id}/srt-passphrase`;
      if (what === "encrypt") {
        setPassphrase((await request<{ srt_passphrase: string }>(sealed, { method: "PUT", body: {} })).srt_passphrase);
      } else if (what === "decrypt") {
        if (!window.confirm(t("srt_decrypt_confirm"))) return;
        setPassphrase(undefined);
        await request(sealed, { method: "DELETE" });
      } else if (what === "revoke") {
        if (!window.confirm(t("revoke_confirm"))) return;
        await request(`${path}/${key?.id}`, { method: "DELETE" });
      } else {
        if (what === "rotate" && !window.confirm(t("rotate_confirm"))) return;
        const url = what === "add" ? path : `${path}/${key?.id}/rotate`;
        const made = await request<CreatedKey>(url, { method: "POST", ...(what === "add" ? { body: {} } : {}) });
        show(made.secret);
      }
      reload();
    },
    [path, reload, show, t],
  );
  const action = useAction(act);

  return (
    <Stack gap="sm">
      {secret && (
        <SecretOnce title={t("key_rotated")} text={t("key_once")} secret={secret} onDone={() => setSecret(undefined)} />
      )}
      {passphrase && (
        <SecretOnce
          title={t("srt_passphrase")}
          text={t("srt_passphrase_once")}
          secret={passphrase}
          onDone={() => setPassphrase(undefined)}
        />
      )}
      <Trouble error={action.error} />
      <DataTable
        list={list}
        rowKey={(key) => key.id}
        label={t("stream_keys")}
        minWidth={420}
        columns={[
          {
            title: t("name"),
            cell: (key) => (
              <Text size="sm">
                {key.name}
                {key.input === "backup" && <Badge ml="xs" size="sm" variant="outline">{t("input_backup")}</Badge>}
                {key.srt_encrypted && <Badge ml="xs" size="sm" variant="light">{t("srt_encrypted")}</Badge>}
              </Text>
            ),
          },
          { title: t("created"), cell: (key) => formatTime(key.created_at, language) },
          {
            title: t("actions"),
            cell: (key) => (
              <Group gap={6} wrap="nowrap">
                <Button
                  size="xs"
                  variant="light"
                  disabled={!may("member")}
                  onClick={() => action.run(key.srt_encrypted ? "decrypt" : "encrypt", key)}
                >
                  {t(key.srt_encrypted ? "srt_decrypt" : "srt_encrypt")}
                </Button>
                <Button size="xs" variant="light" disabled={!may("member")} onClick={() => action.run("rotate", key)}>
                  {t("rotate")}
                </Button>
                <Button size="xs" variant="light" color="red" disabled={!may("member")} onClick={() => action.run("revoke", key)}>
                  {t("revoke")}
                </Button>
              </Group>
            ),
          },
        ]}
      />
      <Group>
        <Button variant="light" size="xs" loading={action.busy} disabled={!may("member")} onClick={() => action.run("add")}>
          {t("add_key")}
        </Button>
      </Group>
    </Stack>
  );
}
