/** The player's public names. Importing this module defines `<skyriver-player>`. */
import { definePlayer, SkyriverPlayer } from "./element";

export { SkyriverPlayer };
export { LATENCY_MODES_MS, type LatencyMode } from "./ui/controls";
export type { SwitchInfo } from "./moq/playback";
export type { PlaybackSnapshot, PlayerState, PlayerStats, Protocol } from "./stats";
export { httpTicketSource, publicWatchUrl, readTicket, TicketError, type TicketSource, type WatchTicket } from "./ticket";

definePlayer();
