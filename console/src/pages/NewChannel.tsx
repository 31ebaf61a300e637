/** Making a channel; afterwards its server and key, which is shown this once. */

import { Alert, Button, Card, Checkbox, Group, NativeSelect, Stack, TextInput } from "@mantine/core";
import { useCallback, useState, type SubmitEvent } from "react";
import { Link } from "wouter";
import { ApiError, newIdempotencyKey, request } from "../api/client";
import type { Channel, Takeover } from "../api/types";
import { useText } from "../i18n";
import { Ingest } from "../parts/Ingest";
import { PageHead } from "../parts/PageHead";
import { Trouble } from "../parts/Trouble";
import { useAction } from "../parts/useAction";

interface Created {
  channel: Channel;
  stream_key: string;
}

export default function NewChannel() {
  const [created, setCreated] = useState<Created>();
  const t = useText();
  return (
    <>
      <PageHead title={created ? t("channel_created", { name: created.channel.name }) : t("new_channel")} />
      <Card withBorder maw={760}>
        {created ? <Ready created={created} /> : <Form onCreated={setCreated} />}
      </Card>
    </>
  );
}

function Ready({ created }: { created: Created }) {
  const t = useText();
  return (
    <Stack>
      <Alert color="teal">{t("key_once")}</Alert>
      <Ingest urls={created.channel.ingest} streamKey={created.stream_key} />
      <Group>
        <Button component={Link} href={`/channels/${created.channel.slug}`}>
          {t("open_channel")}
        </Button>
      </Group>
    </Stack>
  );
}

function Form({ onCreated }: { onCreated: (created: Created) => void }) {
  const t = useText();
  const [name, setName] = useState("");
  const [slug, setSlug] = useState("");
  const [isPublic, setPublic] = useState(false);
  const [takeover, setTakeover] = useState<Takeover>("first_wins");
  const [profile, setProfile] = useState("standard");
  // One key for one form: pressing twice, or again after a lost answer, makes one channel.
  const [key, setKey] = useState(newIdempotencyKey);

  const create = useCallback(async () => {
    const body = { name, ...(slug ? { slug } : {}), public: isPublic, takeover, profile };
    try {
      onCreated(await request<Created>("/v1/channels", { method: "POST", body, idempotencyKey: key }));
    } catch (error) {
      // Refused: what is sent next is another request.
      if (error instanceof ApiError) setKey(newIdempotencyKey());
      throw error;
    }
  }, [name, slug, isPublic, takeover, profile, key, onCreated]);
  const action = useAction(create);
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    action.run();
  };

  return (
    <form onSubmit={submit}>
      <Stack>
        <Trouble error={action.error} />
        <TextInput
          label={t("channel_name")}
          required
          maxLength={100}
          name="name"
          autoFocus
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <TextInput
          label={t("channel_slug")}
          description={t("channel_slug_hint")}
          name="slug"
          pattern="[a-z0-9][a-z0-9\-]*[a-z0-9]"
          maxLength={40}
          value={slug}
          onChange={(event) => setSlug(event.currentTarget.value)}
        />
        <NativeSelect
          label={t("channel_profile")}
          value={profile}
          onChange={(event) => setProfile(event.currentTarget.value)}
          data={(["standard", "light", "high", "source"] as const).map((value) => ({
            value,
            label: t(`profile_${value}`),
          }))}
        />
        <NativeSelect
          label={t("channel_takeover")}
          value={takeover}
          onChange={(event) => setTakeover(event.currentTarget.value as Takeover)}
          data={[
            { value: "first_wins", label: t("takeover_first_wins") },
            { value: "takeover", label: t("takeover_takeover") },
          ]}
        />
        <Checkbox
          label={t("channel_public")}
          checked={isPublic}
          onChange={(event) => setPublic(event.currentTarget.checked)}
        />
        <Group>
          <Button type="submit" loading={action.busy}>
            {t("create")}
          </Button>
          <Button component={Link} href="/channels" variant="subtle">
            {t("cancel")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
