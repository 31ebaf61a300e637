/** Uploaded films: sources that inputs are pulled from, and slates. */

import { Badge, Button, Card, FileButton, Group, Image, Progress, Stack, Text } from "@mantine/core";
import { useCallback, useState } from "react";
import { request, uploadFilm } from "../api/client";
import { clockText } from "../api/recordings";
import type { MediaFile } from "../api/types";
import { useSession } from "../app/session";
import { formatBytes } from "../format";
import { useText } from "../i18n";
import { DataTable } from "../parts/DataTable";
import { PageHead } from "../parts/PageHead";
import { Trouble } from "../parts/Trouble";
import { useAction } from "../parts/useAction";
import { useList } from "../parts/useList";

const PATH = "/v1/media-files";

export default function Files() {
  const t = useText();
  const { may } = useSession();
  const list = useList<MediaFile>(PATH);
  const { reload } = list;
  const [sent, setSent] = useState<number>();
  const act = useCallback(
    async (order: { file: File | null } | { remove: MediaFile }) => {
      if ("remove" in order) {
        if (!window.confirm(t("file_delete_confirm", { name: order.remove.name }))) return;
        await request(`${PATH}/${order.remove.id}`, { method: "DELETE" });
      } else if (order.file) {
        setSent(0);
        try {
          await uploadFilm(`${PATH}?name=${encodeURIComponent(order.file.name)}`, order.file, setSent);
        } finally {
          setSent(undefined);
        }
      }
      reload();
    },
    [reload, t],
  );
  const action = useAction(act);
  return (
    <>
      <PageHead title={t("files")}>
        {may("member") && (
          <FileButton accept="video/*,.mkv,.ts" disabled={action.busy} onChange={(file) => action.run({ file })}>
            {(props) => (
              <Button {...props} size="xs" loading={action.busy}>
                {t("file_upload")}
              </Button>
            )}
          </FileButton>
        )}
      </PageHead>
      <Stack>
        <Text size="sm" c="dimmed">
          {t("files_hint")}
        </Text>
        <Trouble error={action.error} />
        {sent !== undefined && (
          <Stack gap={4} role="status">
            <Text size="sm">{t(sent < 1 ? "file_sending" : "file_reading", { percent: Math.round(sent * 100) })}</Text>
            <Progress value={sent * 100} aria-label={t("file_upload")} animated={sent === 1} />
          </Stack>
        )}
        <Card withBorder>
          <DataTable
            list={list}
            rowKey={(file) => file.id}
            label={t("files")}
            minWidth={560}
            columns={[
              {
                title: t("name"),
                cell: (file) => (
                  <Group wrap="nowrap" gap="sm">
                    <Image src={`${PATH}/${file.id}/poster`} alt="" w={96} h={54} radius="sm" fit="cover" />
                    <Stack gap={2}>
                      <Text size="sm" style={{ overflowWrap: "anywhere" }}>
                        {file.name}
                      </Text>
                      <Text size="xs" c="dimmed">
                        {[clockText(file.duration_ms / 1000), formatBytes(file.size_bytes), file.id].join(" · ")}
                      </Text>
                    </Stack>
                  </Group>
                ),
              },
              {
                title: t("file_holds"),
                cell: (file) => (
                  <Text size="sm">
                    {[`${file.video} ${file.width}×${file.height}`, file.audio].filter(Boolean).join(", ")}
                  </Text>
                ),
              },
              {
                title: t("file_uses"),
                cell: (file) => (
                  <Group gap={6}>
                    <Use label={t("file_as_source")} obstacle={file.pull_obstacle} />
                    <Use label={t("file_as_slate")} obstacle={file.slate_obstacle} />
                  </Group>
                ),
              },
              {
                title: t("actions"),
                cell: (file) => (
                  <Button
                    size="xs"
                    variant="light"
                    color="red"
                    disabled={action.busy || !may("member")}
                    onClick={() => action.run({ remove: file })}
                  >
                    {t("relay_remove")}
                  </Button>
                ),
              },
            ]}
          />
        </Card>
      </Stack>
    </>
  );
}

function Use({ label, obstacle }: { label: string; obstacle: string }) {
  return (
    <Badge variant="light" tt="none" color={obstacle ? "gray" : "teal"} td={obstacle ? "line-through" : ""} title={obstacle}>
      {label}
    </Badge>
  );
}
