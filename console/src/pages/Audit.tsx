/** Who changed what, newest first. */

import { Code, Text } from "@mantine/core";
import type { AuditEntry } from "../api/types";
import { formatTime } from "../format";
import { useSpeech } from "../i18n";
import { DataTable } from "../parts/DataTable";
import { PageHead } from "../parts/PageHead";
import { useList } from "../parts/useList";

export default function Audit() {
  const { t, language } = useSpeech();
  const list = useList<AuditEntry>("/v1/audit");
  return (
    <>
      <PageHead title={t("audit")} />
      <DataTable
        list={list}
        rowKey={(entry) => entry.id}
        label={t("audit")}
        minWidth={720}
        columns={[
          { title: t("when"), cell: (entry) => formatTime(entry.at, language) },
          { title: t("what"), cell: (entry) => <Text size="sm" fw={600}>{entry.action}</Text> },
          { title: t("who"), cell: (entry) => <Text size="sm" className="secret">{entry.actor_id || entry.actor_kind}</Text> },
          { title: t("subject"), cell: (entry) => <Text size="sm" className="secret">{entry.subject_id}</Text> },
          {
            title: t("details"),
            cell: (entry) => (Object.keys(entry.details).length > 0 ? <Code>{JSON.stringify(entry.details)}</Code> : "–"),
          },
        ]}
      />
    </>
  );
}
