import { describe, expect, it } from "vitest";
import { publicWatchUrl, readTicket, renewalDelayMs, ticketBackoffMs, TicketError } from "../../src/player/ticket";

const NOW = Date.parse("2026-01-01T00:00:00Z");

describe("renewal", () => {
  it("comes when a fifth of the grant's life is left", () => {
    expect(renewalDelayMs("2026-01-01T01:00:00Z", NOW)).toBe(48 * 60_000);
  });
  it.each([["2025-12-31T23:00:00Z", 1000], ["not a time", 60_000]])("does not spin on %s", (expires, delay) => {
    expect(renewalDelayMs(expires, NOW)).toBe(delay);
  });
});

it("asks ever more seldom, and as the API says", () => {
  expect([1, 2, 3, 9].map((attempt) => ticketBackoffMs(attempt))).toEqual([500, 1000, 2000, 5000]);
  expect(ticketBackoffMs(1, 7000)).toBe(7000);
});

it("names a public channel's address", () => {
  expect(publicWatchUrl("https://cloud.example/", "a b/c")).toBe("https://cloud.example/v1/public/a%20b/c/watch");
});

describe("readTicket", () => {
  it.each([
    [404, "not_found", false],
    [403, "not_allowed", false],
    [429, "busy", true],
    [503, "not_ready", true],
    [500, "unreachable", true],
  ])("takes %i for %s", async (status, failure, retryable) => {
    const body = JSON.stringify({ detail: "No.", hint: "Wait." });
    const error = await readTicket(new Response(body, { status })).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TicketError);
    expect(error).toMatchObject({ failure, retryable, message: "No. Wait." });
  });

  it("survives an answer that is no problem document", async () => {
    await expect(readTicket(new Response("<html>", { status: 502 }))).rejects.toThrow("HTTP 502");
  });

  it("honours Retry-After", async () => {
    const response = new Response("{}", { status: 429, headers: { "retry-after": "3" } });
    await expect(readTicket(response)).rejects.toMatchObject({ retryAfterMs: 3000 });
  });
});
