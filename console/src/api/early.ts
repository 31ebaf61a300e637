/**
 * Requests that are sent before anything is drawn, so that the first picture does not wait for the console's code:
 * who is signed in, and the ticket of the channel that the first screen will show.
 */

import { ApiError, request, send } from "./client";
import type { Me } from "./types";
import { httpTicketSource, readTicket, type TicketSource } from "../player/ticket";

/** The demo channel of a fresh cloud: public, in the operator's tenant. */
export const DEMO_CHANNEL = "skyriver/demo";
/** A ticket that lay unused for longer names edges that may have changed. */
const EARLY_TICKET_MS = 10_000;

/** Set while somebody is signed in here: who never signed in need not be asked for, and is not refused. */
const SIGNED_IN = "skyriver-signed-in";

let who: Promise<Me | null> | undefined;
const early = new Map<string, { at: number; response: Promise<Response> }>();

export function publicTicketPath(channel: string): string {
  const [tenant = "", slug = ""] = channel.split("/");
  return `/v1/public/${encodeURIComponent(tenant)}/${encodeURIComponent(slug)}/watch`;
}

export function ownTicketPath(idOrSlug: string): string {
  return `/v1/channels/${encodeURIComponent(idOrSlug)}/watch`;
}

function firstTicketPath(path: string): string | undefined {
  const [, page, first, second] = path.split("/").map(decodeURIComponent);
  if (page === "watch" && first && second) return publicTicketPath(`${first}/${second}`);
  if (page === "channels" && first && first !== "new") return ownTicketPath(first);
  if (page === "" || page === "login") return publicTicketPath(DEMO_CHANNEL);
  return undefined;
}

/** Ask now for what the page at `path` will need. */
export function askEarly(path: string): void {
  const ticketPath = firstTicketPath(path);
  if (!ticketPath) return;
  const response = send(ticketPath, { method: "POST", body: {} });
  // Whoever takes it sees the failure; until then it must not count as unhandled.
  response.catch(() => undefined);
  early.set(ticketPath, { at: performance.now(), response });
}

/** Tickets from `path`: the early one first, later ones when the player asks again. */
export function ticketsFrom(path: string): TicketSource {
  const later = httpTicketSource(path);
  return async (signal) => {
    const waiting = early.get(path);
    early.delete(path);
    if (!waiting || performance.now() - waiting.at > EARLY_TICKET_MS) return later(signal);
    try {
      return await readTicket(await waiting.response);
    } catch {
      return later(signal);
    }
  };
}

/** Who is signed in; null when nobody is. */
export async function whoAmI(): Promise<Me | null> {
  try {
    const me = await request<Me>("/v1/me");
    localStorage.setItem(SIGNED_IN, "yes");
    return me;
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    localStorage.removeItem(SIGNED_IN);
    return null;
  }
}

/** Ask now. */
export function askWho(): void {
  who = localStorage.getItem(SIGNED_IN) === null ? Promise.resolve(null) : whoAmI();
  who.catch(() => undefined);
}

/** The answer to the question that was asked early. */
export function earlyWho(): Promise<Me | null> {
  return who ?? whoAmI();
}
