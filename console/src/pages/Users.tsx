/** The people of the tenant. */

import { Badge, Button, Card, Group, NativeSelect, PasswordInput, TextInput } from "@mantine/core";
import { useCallback, useState, type SubmitEvent } from "react";
import { newIdempotencyKey, request } from "../api/client";
import type { Role, User } from "../api/types";
import { useSession } from "../app/session";
import { formatTime } from "../format";
import { useSpeech } from "../i18n";
import { DataTable } from "../parts/DataTable";
import { PageHead } from "../parts/PageHead";
import { Trouble } from "../parts/Trouble";
import { useAction } from "../parts/useAction";
import { useList } from "../parts/useList";

const ROLES: Role[] = ["viewer", "member", "admin", "owner"];

export default function Users() {
  const { t, language } = useSpeech();
  const { me, may } = useSession();
  const list = useList<User>("/v1/users");
  const { reload } = list;
  const remove = useCallback(
    async (user: User) => {
      if (!window.confirm(t("remove_user_confirm", { name: user.name || user.email }))) return;
      await request(`/v1/users/${user.id}`, { method: "DELETE" });
      reload();
    },
    [reload, t],
  );
  const removal = useAction(remove);
  return (
    <>
      <PageHead title={t("users")} />
      {may("admin") && <NewUser onCreated={reload} />}
      <Trouble error={removal.error} />
      <DataTable
        list={list}
        rowKey={(user) => user.id}
        label={t("users")}
        columns={[
          { title: t("email"), cell: (user) => user.email },
          { title: t("name"), cell: (user) => user.name },
          { title: t("role"), cell: (user) => <Badge variant="light" tt="none">{t(user.role)}</Badge> },
          { title: t("created"), cell: (user) => formatTime(user.created_at, language) },
          {
            title: t("actions"),
            cell: (user) => (
              <Button
                size="xs"
                variant="light"
                color="red"
                disabled={!may("admin") || user.id === me?.id}
                onClick={() => removal.run(user)}
              >
                {t("remove")}
              </Button>
            ),
          },
        ]}
      />
    </>
  );
}

function NewUser({ onCreated }: { onCreated: () => void }) {
  const { t } = useSpeech();
  const [email, setEmail] = useState("");
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [role, setRole] = useState<Role>("member");
  const create = useCallback(async () => {
    const body = { email, password, role, ...(name ? { name } : {}) };
    await request("/v1/users", { method: "POST", body, idempotencyKey: newIdempotencyKey() });
    setEmail("");
    setName("");
    setPassword("");
    onCreated();
  }, [email, name, password, role, onCreated]);
  const action = useAction(create);
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    action.run();
  };
  return (
    <Card withBorder mb="md">
      <form onSubmit={submit}>
        <Group align="flex-end">
          <TextInput label={t("email")} type="email" required autoComplete="off" value={email} onChange={(e) => setEmail(e.currentTarget.value)} />
          <TextInput label={t("name")} value={name} autoComplete="off" onChange={(e) => setName(e.currentTarget.value)} />
          <PasswordInput
            label={t("password")}
            placeholder={t("password_hint")}
            required
            minLength={10}
            w={220}
            autoComplete="new-password"
            value={password}
            onChange={(e) => setPassword(e.currentTarget.value)}
          />
          <NativeSelect
            label={t("role")}
            value={role}
            onChange={(e) => setRole(e.currentTarget.value as Role)}
            data={ROLES.map((value) => ({ value, label: t(value) }))}
          />
          <Button type="submit" loading={action.busy}>
            {t("new_user")}
          </Button>
        </Group>
        <Trouble error={action.error} />
      </form>
    </Card>
  );
}
