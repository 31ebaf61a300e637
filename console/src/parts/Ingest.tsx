/** How to send a picture: a tab a protocol, each with its server, the key, and the steps for encoders everybody has. */

import { Alert, List, Stack, Tabs, Text } from "@mantine/core";
import type { IngestUrls } from "../api/types";
import { useText } from "../i18n";
import { CopyCode, CopyField } from "./Copy";
import { type Way, waysToSend } from "./ingest-ways";

interface Props {
  urls: IngestUrls;
  /** Known only right after the key was made. */
  streamKey?: string;
}

export function Ingest({ urls, streamKey }: Props) {
  const t = useText();
  const ways = waysToSend(urls, streamKey ?? t("key_placeholder"));
  const first = ways[0];
  if (!first) return <Alert color="yellow">{t("no_core_node")}</Alert>;
  return (
    <Stack gap="md">
      {streamKey && <CopyField label={t("stream_key")} value={streamKey} />}
      <Tabs defaultValue={first.protocol} keepMounted={false}>
        <Tabs.List>
          {ways.map((way) => (
            <Tabs.Tab key={way.protocol} value={way.protocol}>
              {way.name}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {ways.map((way) => (
          <Tabs.Panel key={way.protocol} value={way.protocol} pt="sm">
            <OneWay way={way} />
          </Tabs.Panel>
        ))}
      </Tabs>
    </Stack>
  );
}

function OneWay({ way }: { way: Way }) {
  const t = useText();
  return (
    <Stack gap="sm">
      <Text size="sm">{t(way.about)}</Text>
      <CopyField label={t("server")} value={way.server} />
      <Text size="sm" fw={500}>
        {t("ingest_obs")}
      </Text>
      <List type="ordered" size="sm" spacing={6}>
        {way.obs.map((step) => (
          <List.Item key={step}>{t(step)}</List.Item>
        ))}
      </List>
      {way.commands.map((command) => (
        <div key={command.text}>
          <Text size="sm" mb={4}>
            <b>{command.tool}</b>: {t(command.hint)}
          </Text>
          <CopyCode value={command.text} />
        </div>
      ))}
    </Stack>
  );
}
