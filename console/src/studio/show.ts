/** One time on air: a ticket, a publisher, and what it sends, from the button to the button. */

import { Sending, type SendingNumbers } from "./encoder";
import { Publisher } from "./publisher";
import { askTicket, giveTicketBack, type InputName } from "./ticket";

/** `sending`: somebody at the other end reads the picture. */
export type ShowState = "off" | "connecting" | "connected" | "sending" | "refused";

export interface ShowEvents {
  state(state: ShowState): void;
  /** The source or the encoder ended; the show is over. */
  ended(error: unknown): void;
}

const LOOK_EVERY_MS = 200;

export class Show {
  readonly began_at_ms = Date.now();
  private readonly publisher: Publisher;
  private readonly sending: Sending;
  private readonly timer: ReturnType<typeof setInterval>;
  private state: ShowState = "connecting";
  private over = false;

  private constructor(
    ticket: Awaited<ReturnType<typeof askTicket>>,
    stream: MediaStream,
    private readonly events: ShowEvents,
  ) {
    this.publisher = new Publisher(ticket, (state) => {
      if (state !== "closed") this.say(state);
    });
    this.sending = new Sending(this.publisher, stream, (error) => {
      if (this.over) return;
      void this.end();
      events.ended(error);
    });
    this.timer = setInterval(() => this.look(), LOOK_EVERY_MS);
  }

  /** @throws ApiError, NoEncoder */
  static async begin(channelId: string, stream: MediaStream, events: ShowEvents, input: InputName = "main"): Promise<Show> {
    const show = new Show(await askTicket(channelId, input), stream, events);
    try {
      await show.sending.start();
    } catch (error) {
      show.abandon();
      throw error;
    }
    show.publisher.start();
    return show;
  }

  get numbers(): SendingNumbers | undefined {
    return this.sending.numbers;
  }

  /** Ask the station once more, after it has turned this browser away. */
  tryAgain(): void {
    this.publisher.describeAgain();
    this.sending.wantKeyframe();
  }

  async end(): Promise<void> {
    if (this.over) return;
    this.finish();
    await this.publisher.close();
    giveTicketBack(this.publisher.ticket);
  }

  /** The page goes away: no time to say goodbye, but the ticket is given back. */
  abandon(): void {
    if (this.over) return;
    this.finish();
    void this.publisher.close();
    giveTicketBack(this.publisher.ticket);
  }

  private finish(): void {
    this.over = true;
    clearInterval(this.timer);
    this.sending.stop();
    this.events.state("off");
  }

  private look(): void {
    const read = this.publisher.video.isRead || this.publisher.audio.isRead;
    if (read && this.state === "connected") {
      this.sending.wantKeyframe(); // whoever begins to read should not wait for the next slot
      this.say("sending");
    } else if (!read && this.state === "sending") {
      this.say("connected");
    }
  }

  private say(state: ShowState): void {
    if (this.over || state === this.state) return;
    this.state = state;
    this.events.state(state);
  }
}
