/** The player's public names. Importing this module defines `<skyriver-player>`. */
import { definePlayer, SkyriverPlayer } from "./element";

export { SkyriverPlayer };
export { LATENCY_MODES_MS, type LatencyMode } from "./viewing";
export type { SwitchInfo } from "./viewing";
export type { PlaybackSnapshot, PlayerState, PlayerStats, Protocol } from "./stats";
export { httpTicketSource, publicWatchUrl, readTicket, TicketError, type TicketSource, type WatchTicket } from "./ticket";

definePlayer();
