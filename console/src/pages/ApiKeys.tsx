/** Keys for programs. */

import { Badge, Button, Card, Group, NativeSelect, TextInput } from "@mantine/core";
import { useCallback, useState, type SubmitEvent } from "react";
import { newIdempotencyKey, request } from "../api/client";
import type { ApiKey, Role } from "../api/types";
import { formatTime } from "../format";
import { useSpeech } from "../i18n";
import { DataTable } from "../parts/DataTable";
import { PageHead } from "../parts/PageHead";
import { SecretOnce } from "../parts/SecretOnce";
import { Trouble } from "../parts/Trouble";
import { useAction } from "../parts/useAction";
import { useList } from "../parts/useList";

const ROLES: Role[] = ["viewer", "member", "admin", "owner"];

export default function ApiKeys() {
  const { t, language } = useSpeech();
  const list = useList<ApiKey>("/v1/api-keys");
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("member");
  const [secret, setSecret] = useState<string>();
  const { reload } = list;

  const create = useCallback(async () => {
    const options = { method: "POST", body: { name, role }, idempotencyKey: newIdempotencyKey() } as const;
    const made = await request<ApiKey & { secret: string }>("/v1/api-keys", options);
    setSecret(made.secret);
    setName("");
    reload();
  }, [name, role, reload]);
  const revoke = useCallback(
    async (key: ApiKey) => {
      if (!window.confirm(t("revoke_api_key_confirm", { name: key.name }))) return;
      await request(`/v1/api-keys/${key.id}`, { method: "DELETE" });
      reload();
    },
    [reload, t],
  );
  const creation = useAction(create);
  const revocation = useAction(revoke);
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    creation.run();
  };
  return (
    <>
      <PageHead title={t("api_keys")} />
      {secret && (
        <SecretOnce title={t("new_api_key")} text={t("api_key_once")} secret={secret} onDone={() => setSecret(undefined)} />
      )}
      <Card withBorder mb="md">
        <form onSubmit={submit}>
          <Group align="flex-end">
            <TextInput label={t("name")} required maxLength={100} value={name} onChange={(e) => setName(e.currentTarget.value)} />
            <NativeSelect
              label={t("role")}
              value={role}
              onChange={(e) => setRole(e.currentTarget.value as Role)}
              data={ROLES.map((value) => ({ value, label: t(value) }))}
            />
            <Button type="submit" loading={creation.busy}>
              {t("create")}
            </Button>
          </Group>
        </form>
      </Card>
      <Trouble error={creation.error ?? revocation.error} />
      <DataTable
        list={list}
        rowKey={(key) => key.id}
        label={t("api_keys")}
        columns={[
          { title: t("name"), cell: (key) => key.name },
          { title: t("role"), cell: (key) => <Badge variant="light" tt="none">{t(key.role)}</Badge> },
          { title: t("created"), wide: true, cell: (key) => formatTime(key.created_at, language) },
          { title: t("last_used"), wide: true, cell: (key) => (key.last_used_at ? formatTime(key.last_used_at, language) : t("never")) },
          {
            title: t("actions"),
            cell: (key) => (
              <Button size="xs" variant="light" color="red" onClick={() => revocation.run(key)}>
                {t("revoke")}
              </Button>
            ),
          },
        ]}
      />
    </>
  );
}
