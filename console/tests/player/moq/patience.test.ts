import { expect, it } from "vitest";
import { LOST_MS, Patience, START_MS } from "../../../src/player/moq/patience";

it("gives up when no session comes up, as behind a closed UDP port", () => {
  const patience = new Patience();
  expect(patience.tick(0, true, 0)).toBeUndefined();
  expect(patience.tick(0, true, START_MS - 1)).toBeUndefined();
  expect(patience.tick(0, true, START_MS)).toBe("no_session");
});

it("waits longer for sessions that were there", () => {
  const patience = new Patience();
  patience.tick(1, true, 0);
  patience.tick(0, true, 1000);
  expect(patience.tick(0, true, 1000 + LOST_MS - 1)).toBeUndefined();
  expect(patience.tick(0, true, 1000 + LOST_MS)).toBe("lost_sessions");
});

it("does not blame MoQ while there is no network at all, or after a sleep", () => {
  const patience = new Patience();
  patience.tick(0, true, 0);
  expect(patience.tick(0, false, 60_000)).toBeUndefined();
  expect(patience.tick(0, true, 60_050)).toBeUndefined();
  patience.rest();
  expect(patience.tick(0, true, 60_050 + START_MS)).toBeUndefined();
});
