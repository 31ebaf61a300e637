/** How to send a picture: server, key, and the steps for the two encoders everybody has. */

import { Alert, List, Stack, Tabs, Text } from "@mantine/core";
import { useText } from "../i18n";
import { CopyCode, CopyField } from "./Copy";

interface Props {
  rtmpUrl: string | null;
  /** Known only right after the key was made. */
  streamKey?: string;
}

export function Ingest({ rtmpUrl, streamKey }: Props) {
  const t = useText();
  if (!rtmpUrl) return <Alert color="yellow">{t("no_core_node")}</Alert>;
  const key = streamKey ?? t("key_placeholder");
  const target = `"${rtmpUrl}/${key}"`;
  return (
    <Stack gap="md">
      <CopyField label={t("server")} value={rtmpUrl} />
      {streamKey && <CopyField label={t("stream_key")} value={streamKey} />}
      <Tabs defaultValue="obs" keepMounted={false}>
        <Tabs.List>
          <Tabs.Tab value="obs">{t("ingest_obs")}</Tabs.Tab>
          <Tabs.Tab value="ffmpeg">{t("ingest_ffmpeg")}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="obs" pt="sm">
          <List type="ordered" size="sm" spacing={6}>
            <List.Item>{t("ingest_obs_1")}</List.Item>
            <List.Item>{t("ingest_obs_2")}</List.Item>
            <List.Item>{t("ingest_obs_3")}</List.Item>
            <List.Item>{t("ingest_obs_4")}</List.Item>
          </List>
        </Tabs.Panel>
        <Tabs.Panel value="ffmpeg" pt="sm">
          <Stack gap="xs">
            <Text size="sm">{t("ingest_ffmpeg_hint")}</Text>
            <CopyCode
              value={`ffmpeg -re -stream_loop -1 -i video.mp4 -c:v libx264 -preset veryfast -g 60 -c:a aac -f flv ${target}`}
            />
            <Text size="sm">{t("ingest_camera_hint")}</Text>
            <CopyCode
              value={`ffmpeg -re -f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=frequency=440 -c:v libx264 -preset veryfast -tune zerolatency -g 60 -pix_fmt yuv420p -c:a aac -f flv ${target}`}
            />
          </Stack>
        </Tabs.Panel>
      </Tabs>
    </Stack>
  );
}
