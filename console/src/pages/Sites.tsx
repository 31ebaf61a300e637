/** Sites and nodes, for the operator: where the cloud runs, and taking a node out of service. */

import { Button, Card, Text } from "@mantine/core";
import { useCallback } from "react";
import { request } from "../api/client";
import { useOverview } from "../api/live";
import type { NodeLine } from "../api/types";
import { useText } from "../i18n";
import { NodeTable } from "../parts/NodeTable";
import { PageHead } from "../parts/PageHead";
import { SiteMap } from "../parts/SiteMap";
import { Trouble } from "../parts/Trouble";
import { useAction } from "../parts/useAction";

export default function Sites() {
  const t = useText();
  const overview = useOverview();
  const drain = useCallback(async (node: NodeLine) => {
    await request(`/v1/nodes/${node.id}`, { method: "PATCH", body: { draining: node.state !== "draining" } });
  }, []);
  const action = useAction(drain);
  return (
    <>
      <PageHead title={t("sites")} />
      <Trouble error={action.error} />
      <Card withBorder>
        {overview ? (
          <>
            <SiteMap sites={overview.sites} />
            <NodeTable
              sites={overview.sites}
              actions={(node) => (
                <Button size="xs" variant="light" disabled={action.busy} onClick={() => action.run(node)}>
                  {t(node.state === "draining" ? "undrain" : "drain")}
                </Button>
              )}
            />
          </>
        ) : (
          <Text c="dimmed">{t("sites_waiting")}</Text>
        )}
      </Card>
    </>
  );
}
