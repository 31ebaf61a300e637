import { Badge } from "@mantine/core";
import type { ChannelState, NodeLine } from "../api/types";
import { useText } from "../i18n";

const COLORS: Record<ChannelState | NodeLine["state"], string> = {
  live: "red",
  starting: "yellow",
  offline: "gray",
  alive: "teal",
  suspect: "yellow",
  dead: "red",
  draining: "orange",
  unknown: "gray",
};

/** The state of a channel or a node: colour and word. */
export function StateBadge({ state }: { state: ChannelState | NodeLine["state"] }) {
  const t = useText();
  return (
    <Badge color={COLORS[state]} variant={state === "live" ? "filled" : "light"} tt="none">
      {t(state)}
    </Badge>
  );
}
