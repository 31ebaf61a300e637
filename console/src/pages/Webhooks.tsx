/** Programs that are told what happens: where to, whether it works, and what was sent. */

import { Badge, Button, Card, Group, MultiSelect, Stack, Text, TextInput, Title } from "@mantine/core";
import { useCallback, useEffect, useState, type SubmitEvent } from "react";
import { newIdempotencyKey, request } from "../api/client";
import type { Webhook, WebhookDelivery } from "../api/types";
import { formatMs, formatTime } from "../format";
import { useSpeech, useText } from "../i18n";
import { DataTable } from "../parts/DataTable";
import { PageHead } from "../parts/PageHead";
import { SecretOnce } from "../parts/SecretOnce";
import { Trouble } from "../parts/Trouble";
import { useAction } from "../parts/useAction";
import { useList } from "../parts/useList";

export default function Webhooks() {
  const t = useText();
  const list = useList<Webhook>("/v1/webhooks");
  const [secret, setSecret] = useState<string>();
  const [chosen, setChosen] = useState<string>();
  const { reload } = list;
  const remove = useCallback(
    async (webhook: Webhook) => {
      if (!window.confirm(t("delete_webhook_confirm", { name: webhook.name }))) return;
      await request(`/v1/webhooks/${webhook.id}`, { method: "DELETE" });
      reload();
    },
    [reload, t],
  );
  const enable = useCallback(
    async (webhook: Webhook) => {
      await request(`/v1/webhooks/${webhook.id}`, { method: "PATCH", body: { enabled: !webhook.enabled } });
      reload();
    },
    [reload],
  );
  const removal = useAction(remove);
  const change = useAction(enable);
  const shown = list.items?.find((webhook) => webhook.id === chosen);
  return (
    <>
      <PageHead title={t("webhooks")} />
      <Text size="sm" c="dimmed" mb="md">{t("webhooks_hint")}</Text>
      {secret && (
        <SecretOnce title={t("signing_secret")} text={t("signing_secret_once")} secret={secret} onDone={() => setSecret(undefined)} />
      )}
      <NewWebhook
        onMade={(made) => {
          setSecret(made.secret);
          reload();
        }}
      />
      <Trouble error={removal.error ?? change.error} />
      <DataTable
        list={list}
        rowKey={(webhook) => webhook.id}
        label={t("webhooks")}
        columns={[
          { title: t("name"), cell: (webhook) => webhook.name },
          { title: t("address"), wide: true, cell: (webhook) => <Text size="sm" className="secret">{webhook.url}</Text> },
          { title: t("state"), cell: (webhook) => <Health webhook={webhook} /> },
          {
            title: t("actions"),
            cell: (webhook) => (
              <Group gap={6}>
                <Button size="compact-xs" variant="light" onClick={() => setChosen(webhook.id)}>{t("deliveries")}</Button>
                <Button size="compact-xs" variant="default" onClick={() => change.run(webhook)}>
                  {t(webhook.enabled ? "disable" : "enable")}
                </Button>
                <Button size="compact-xs" variant="light" color="red" onClick={() => removal.run(webhook)}>{t("delete")}</Button>
              </Group>
            ),
          },
        ]}
      />
      {shown && <Deliveries key={shown.id} webhook={shown} />}
    </>
  );
}

function Health({ webhook }: { webhook: Webhook }) {
  const t = useText();
  const [color, key] = !webhook.enabled
    ? (["red", "webhook_off"] as const)
    : webhook.failures > 0
      ? (["orange", "webhook_failing"] as const)
      : (["teal", "webhook_fine"] as const);
  return (
    <Stack gap={2}>
      <Badge color={color} variant="light" tt="none">{t(key)}</Badge>
      {webhook.disabled_reason && <Text size="xs" c="dimmed">{webhook.disabled_reason}</Text>}
    </Stack>
  );
}

function NewWebhook({ onMade }: { onMade: (made: Webhook & { secret: string }) => void }) {
  const t = useText();
  const [name, setName] = useState("");
  const [url, setUrl] = useState("");
  const [events, setEvents] = useState<string[]>([]);
  const [known, setKnown] = useState<string[]>([]);
  useEffect(() => {
    request<{ items: { name: string }[] }>("/v1/webhook-events").then((found) => setKnown(found.items.map((item) => item.name)), () => undefined);
  }, []);
  const create = useCallback(async () => {
    const body = { name, url, event_types: events };
    onMade(await request("/v1/webhooks", { method: "POST", body, idempotencyKey: newIdempotencyKey() }));
    setName("");
    setUrl("");
    setEvents([]);
  }, [name, url, events, onMade]);
  const creation = useAction(create);
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    creation.run();
  };
  return (
    <Card withBorder mb="md">
      <form onSubmit={submit}>
        <Group align="flex-end">
          <TextInput label={t("name")} required maxLength={100} value={name} onChange={(e) => setName(e.currentTarget.value)} />
          <TextInput label={t("address")} type="url" required maxLength={2000} placeholder="https://" value={url} onChange={(e) => setUrl(e.currentTarget.value)} flex={1} miw={200} />
          <MultiSelect label={t("webhook_events")} placeholder={events.length ? "" : t("webhook_all_events")} data={known} value={events} onChange={setEvents} clearable miw={220} />
          <Button type="submit" loading={creation.busy}>{t("create")}</Button>
        </Group>
      </form>
      <Trouble error={creation.error} />
    </Card>
  );
}

const STATE_COLORS = { pending: "yellow", delivered: "teal", dead: "red" } as const;

function Deliveries({ webhook }: { webhook: Webhook }) {
  const { t, language } = useSpeech();
  const path = `/v1/webhooks/${webhook.id}`;
  const list = useList<WebhookDelivery>(`${path}/deliveries`);
  const { reload } = list;
  const act = useCallback(
    async (what: string) => {
      await request(`${path}/${what}`, { method: "POST" });
      await new Promise((resolve) => setTimeout(resolve, 800)); // the attempt itself comes after the answer
      reload();
    },
    [path, reload],
  );
  const action = useAction(act);
  return (
    <Stack mt="lg">
      <Group justify="space-between">
        <Title order={2} size="h4">{t("deliveries_to", { name: webhook.name })}</Title>
        <Group gap="xs">
          <Button size="xs" variant="default" onClick={reload}>{t("refresh")}</Button>
          <Button size="xs" loading={action.busy} onClick={() => action.run("test")}>{t("send_test")}</Button>
        </Group>
      </Group>
      <Trouble error={action.error} />
      <DataTable
        list={list}
        rowKey={(delivery) => delivery.id}
        label={t("deliveries")}
        columns={[
          { title: t("what"), cell: (delivery) => delivery.event_type },
          { title: t("when"), wide: true, cell: (delivery) => formatTime(delivery.created_at, language) },
          {
            title: t("state"),
            cell: (delivery) => (
              <Stack gap={2}>
                <Badge color={STATE_COLORS[delivery.state]} variant="light" tt="none">{t(`delivery_${delivery.state}`)}</Badge>
                {delivery.last_error && <Text size="xs" c="dimmed">{delivery.last_error}</Text>}
              </Stack>
            ),
          },
          { title: t("attempts"), wide: true, cell: (delivery) => `${delivery.attempts} · ${delivery.last_status ?? "–"} · ${formatMs(delivery.duration_ms)}` },
          {
            title: t("actions"),
            cell: (delivery) => (
              <Button size="compact-xs" variant="light" disabled={action.busy} onClick={() => action.run(`deliveries/${delivery.id}/redeliver`)}>
                {t("redeliver")}
              </Button>
            ),
          },
        ]}
      />
    </Stack>
  );
}
