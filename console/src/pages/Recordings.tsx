/** The recordings of all channels, or of one with the settings of how it is recorded. */

import { Button } from "@mantine/core";
import { Link } from "wouter";
import type { Recording } from "../api/recordings";
import { useText } from "../i18n";
import { PageHead } from "../parts/PageHead";
import { RecordingList } from "../parts/RecordingList";
import { RecordingSettingsCard } from "../parts/RecordingSettingsCard";
import { useList } from "../parts/useList";

export default function Recordings({ slug }: { slug?: string }) {
  const t = useText();
  const list = useList<Recording>(slug ? `/v1/channels/${encodeURIComponent(slug)}/recordings` : "/v1/recordings");
  return (
    <>
      <PageHead title={t("recordings")}>
        {slug && (
          <Button component={Link} href={`/channels/${encodeURIComponent(slug)}`} variant="default" size="xs">
            {t("open_channel")}
          </Button>
        )}
      </PageHead>
      {slug && <RecordingSettingsCard slug={slug} onSaved={list.reload} />}
      <RecordingList list={list} />
    </>
  );
}
