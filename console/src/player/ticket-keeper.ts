/** Asks for tickets until one comes, renews them in time, and never has two questions open at once. */

import { renewalDelayMs, ticketBackoffMs, TicketError, type TicketSource, type WatchTicket } from "./ticket";

/** Even "no such channel" and "not allowed" may change: somebody creates it, or signs in. Ask, but seldom. */
const HOPELESS_MS = 10_000;

export interface KeeperEvents {
  /** @param renewsGrant whether the grant before it is about to end */
  ticket(ticket: WatchTicket, renewsGrant: boolean): void;
  /** No ticket came. @param retryable whether this may pass by itself */
  refused(word: string, retryable: boolean): void;
}

export class TicketKeeper {
  private readonly stop = new AbortController();
  private asking = false;
  private renewing = false;
  private renewal: ReturnType<typeof setTimeout> | undefined;
  latest: WatchTicket | undefined;

  constructor(
    private readonly source: TicketSource,
    private readonly events: KeeperEvents,
  ) {}

  close(): void {
    this.stop.abort();
    clearTimeout(this.renewal);
  }

  ask(): void {
    void this.askUntilOneComes();
  }

  private async askUntilOneComes(): Promise<void> {
    if (this.asking) return;
    this.asking = true;
    try {
      for (let attempt = 1; !this.isClosed(); attempt++) {
        try {
          const ticket = await this.source(this.stop.signal);
          if (!this.isClosed()) this.take(ticket);
          return;
        } catch (error) {
          if (this.isClosed()) return;
          await this.waitAfter(error, attempt);
        }
      }
    } finally {
      this.asking = false;
    }
  }

  private isClosed(): boolean {
    return this.stop.signal.aborted;
  }

  private async waitAfter(error: unknown, attempt: number): Promise<void> {
    const known = error instanceof TicketError ? error : undefined;
    const retryable = known?.retryable ?? true;
    this.events.refused(known ? known.failure : String(error), retryable);
    const delay_ms = retryable ? ticketBackoffMs(attempt, known?.retryAfterMs) : HOPELESS_MS;
    await new Promise((resolve) => setTimeout(resolve, delay_ms));
  }

  private take(ticket: WatchTicket): void {
    this.latest = ticket;
    const renews = this.renewing;
    // Sessions may hold grants of several tickets; the first of them to end sets the time.
    if (renews || this.renewal === undefined) this.planRenewal(ticket);
    this.events.ticket(ticket, renews);
  }

  private planRenewal(ticket: WatchTicket): void {
    this.renewing = false;
    this.renewal = setTimeout(
      () => {
        this.renewing = true;
        this.ask();
      },
      renewalDelayMs(ticket.expires_at, Date.now()),
    );
  }
}
