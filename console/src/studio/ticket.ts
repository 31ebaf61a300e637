/** What the API gives a browser that wants to publish. */

import { request } from "../api/client";

export interface PublishTicket {
  id: string;
  channel_id: string;
  space: string;
  broadcast: string;
  grant: string;
  expires_at: string;
  origins: { url: string; certificate_sha256: string[] }[];
}

export type InputName = "main" | "backup";

const path = (channelId: string): string => `/v1/channels/${encodeURIComponent(channelId)}/publish-ticket`;

export function askTicket(channelId: string, input: InputName): Promise<PublishTicket> {
  return request<PublishTicket>(path(channelId), { method: "POST", body: { input } });
}

export function renewTicket(ticket: PublishTicket): Promise<PublishTicket> {
  return request<PublishTicket>(path(ticket.channel_id), { method: "POST", body: { renews: ticket.id } });
}

/** Also while the page is going away: the request outlives it. */
export function giveTicketBack(ticket: PublishTicket): void {
  void fetch(`${path(ticket.channel_id)}/${ticket.id}`, {
    method: "DELETE",
    credentials: "same-origin",
    headers: { "X-Skyriver-Csrf": "1" },
    keepalive: true,
  }).catch(() => undefined); // a ticket that is not given back ends by itself
}
