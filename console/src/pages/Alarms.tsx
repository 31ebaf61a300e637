/** What somebody has to look at, and what there was. */

import { Button, Stack, Title } from "@mantine/core";
import { Link } from "wouter";
import { useAlarms } from "../api/live";
import type { Alarm } from "../api/types";
import { useText } from "../i18n";
import { AlarmList } from "../parts/AlarmList";
import { PageHead } from "../parts/PageHead";
import { Trouble } from "../parts/Trouble";
import { useList } from "../parts/useList";

export default function Alarms() {
  const t = useText();
  const open = useAlarms();
  const past = useList<Alarm>("/v1/alarms?state=cleared&limit=20");
  return (
    <>
      <PageHead title={t("alarms")}>
        <Button component={Link} href="/wall" variant="light" size="xs">
          {t("wall")}
        </Button>
      </PageHead>
      <Stack>
        <AlarmList alarms={open} />
        <Title order={2} size="h4" mt="md">{t("alarms_over")}</Title>
        <Trouble error={past.error} retry={past.reload} />
        {past.items && <AlarmList alarms={past.items} />}
        {past.hasMore && (
          <Button variant="subtle" onClick={past.more}>
            {t("more")}
          </Button>
        )}
      </Stack>
    </>
  );
}
