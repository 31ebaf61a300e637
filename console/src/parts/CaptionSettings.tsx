/** Live captions: which languages are on offer, and a line for whoever captions by hand. */

import { ActionIcon, Button, Group, List, NumberInput, SimpleGrid, Stack, Text, TextInput } from "@mantine/core";
import { useCallback, useEffect, useRef, useState, type SubmitEvent } from "react";
import { request } from "../api/client";
import type { CaptionTrack, Cue } from "../api/types";
import { useSession } from "../app/session";
import { useText } from "../i18n";
import { languageName } from "../player/caption-choice";
import { Icon } from "./Icon";
import { Trouble } from "./Trouble";
import { useAction } from "./useAction";

const SENT_SHOWN = 5;
const TAG = "[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}";

type Order = { what: "add"; language: string; label: string } | { what: "remove"; language: string };

export function CaptionSettings({ channelId }: { channelId: string }) {
  const t = useText();
  const { may } = useSession();
  const path = `/v1/channels/${channelId}/captions`;
  const [tracks, setTracks] = useState<CaptionTrack[]>([]);
  const [error, setError] = useState<unknown>();
  const [asked, setAsked] = useState(0);
  const again = useCallback(() => setAsked((n) => n + 1), []);
  useEffect(() => {
    request<{ items: CaptionTrack[] }>(path).then(({ items }) => setTracks(items), setError);
  }, [path, asked]);
  const act = useCallback(
    async (order: Order) => {
      const track = `${path}/${encodeURIComponent(order.language)}`;
      if (order.what === "remove") await request(track, { method: "DELETE" });
      else await request(track, { method: "PUT", body: { label: order.label } });
      again();
    },
    [path, again],
  );
  const action = useAction(act);
  const locked = action.busy || !may("member");
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl">
      <Stack gap="sm">
        <Text size="sm">{t("captions_about")}</Text>
        {tracks.map(({ language, label }) => (
          <Group key={language} justify="space-between" wrap="nowrap">
            <Text size="sm">
              <b>{label || languageName(language)}</b> · {language}
            </Text>
            <ActionIcon
              variant="subtle"
              color="red"
              disabled={locked}
              aria-label={t("captions_remove", { language })}
              onClick={() => action.run({ what: "remove", language })}
            >
              <Icon name="trash" />
            </ActionIcon>
          </Group>
        ))}
        {tracks.length === 0 && <Text size="sm" c="dimmed">{t("captions_none")}</Text>}
        {may("member") && <NewLanguage locked={locked} onAdd={(language, label) => action.run({ what: "add", language, label })} />}
        <Trouble error={action.error ?? error} />
      </Stack>
      {may("member") && <Desk path={path} tracks={tracks} onSent={again} />}
    </SimpleGrid>
  );
}

function NewLanguage({ locked, onAdd }: { locked: boolean; onAdd: (language: string, label: string) => void }) {
  const t = useText();
  const [language, setLanguage] = useState("");
  const [label, setLabel] = useState("");
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    onAdd(language, label);
    setLanguage("");
    setLabel("");
  };
  return (
    <form onSubmit={submit}>
      <Group align="flex-end" gap="sm">
        <TextInput
          w={{ base: "100%", xs: 130 }}
          label={t("captions_language")}
          placeholder="zh-Hans"
          required
          pattern={TAG}
          maxLength={35}
          value={language}
          onChange={(event) => setLanguage(event.currentTarget.value)}
        />
        <TextInput
          w={{ base: "100%", xs: 170 }}
          label={t("captions_label")}
          placeholder="简体中文"
          maxLength={40}
          value={label}
          onChange={(event) => setLabel(event.currentTarget.value)}
        />
        <Button type="submit" variant="light" disabled={locked}>
          {t("captions_add")}
        </Button>
      </Group>
    </form>
  );
}

interface DeskProps {
  path: string;
  tracks: CaptionTrack[];
  onSent: () => void;
}

/** Enter sends a line; the field stays focused, for the next one. */
function Desk({ path, tracks, onSent }: DeskProps) {
  const t = useText();
  const [language, setLanguage] = useState<string>();
  const [text, setText] = useState("");
  const [duration_s, setDuration] = useState(4);
  const [sent, setSent] = useState<Cue[]>([]);
  const field = useRef<HTMLInputElement>(null);
  const chosen = language ?? tracks[0]?.language ?? "en";
  const send = useCallback(
    async (line: string) => {
      const cue = await request<Cue>(path, { method: "POST", body: { language: chosen, text: line, duration_s } });
      setSent((before) => [cue, ...before].slice(0, SENT_SHOWN));
      setText("");
      if (!tracks.some((track) => track.language === cue.language)) onSent();
      field.current?.focus();
    },
    [path, chosen, duration_s, tracks, onSent],
  );
  const action = useAction(send);
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (text.trim() !== "" && !action.busy) action.run(text);
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <Text size="sm">{t("captions_desk")}</Text>
        <Group gap="sm" align="flex-end">
          <TextInput
            w={{ base: "100%", xs: 130 }}
            label={t("captions_language")}
            required
            pattern={TAG}
            maxLength={35}
            list="caption-languages"
            value={chosen}
            onChange={(event) => setLanguage(event.currentTarget.value)}
          />
          <NumberInput
            w={{ base: "100%", xs: 150 }}
            label={t("captions_stay")}
            min={0.2}
            max={30}
            suffix=" s"
            value={duration_s}
            onChange={(value) => setDuration(Number(value) || 4)}
          />
        </Group>
        <datalist id="caption-languages">
          {tracks.map((track) => (
            <option key={track.language} value={track.language} />
          ))}
        </datalist>
        <Group gap="sm" align="flex-end" wrap="nowrap">
          <TextInput
            ref={field}
            flex={1}
            label={t("captions_line")}
            maxLength={500}
            lang={chosen}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
          />
          <Button type="submit" loading={action.busy}>
            {t("captions_send")}
          </Button>
        </Group>
        <Trouble error={action.error} />
        <List size="sm" aria-label={t("captions_sent")} listStyleType="none">
          {sent.map((cue) => (
            <List.Item key={cue.start} c="dimmed" lang={cue.language}>
              {new Date(cue.start).toLocaleTimeString()} · {cue.text}
            </List.Item>
          ))}
        </List>
      </Stack>
    </form>
  );
}
