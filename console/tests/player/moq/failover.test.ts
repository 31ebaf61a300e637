import { beforeEach, describe, expect, it } from "vitest";
import {
  CONNECT_TIMEOUT_MS, Failover, FIRST_FRAME_MS, GRACE_MS, HEADSTART_MS, PROOF_MS, REPLACE_MS, REST_MS, TICKET_SPACING_MS,
  type Action, type Session,
} from "../../../src/player/moq/failover";
import type { EdgeAddress } from "../../../src/player/ticket";

const edge = (name: string, rank: number): EdgeAddress => ({
  node_id: name, site: name, url: `https://${name}`, certificate_sha256: [], rank,
});
const EDGES = [edge("b", 1), edge("a", 0), edge("c", 2)];
const TICK_MS = 50;

/** Drives the machine as the player does, with a clock of its own, and keeps what it was told to do. */
class Rig {
  readonly failover = new Failover();
  now = 1000;
  done: Action[] = [];
  private readonly sessions = new Map<string, Session>();

  do(actions: Action[]): Action[] {
    this.done.push(...actions);
    for (const action of actions) {
      if (action.do === "connect") this.sessions.set(action.session.edge.node_id, action.session);
    }
    return actions;
  }

  /** Ticks until `ms` have passed; `between` runs before each tick. */
  wait(ms: number, between: () => void = () => undefined): void {
    for (let passed = 0; passed < ms; passed += TICK_MS) {
      this.now += TICK_MS;
      between();
      this.do(this.failover.tick(this.now));
    }
  }

  names(what: Action["do"]): string[] {
    return this.done.flatMap((a) => (a.do === what && "session" in a ? [a.session.edge.node_id] : []));
  }

  session(name: string): Session {
    const last = this.sessions.get(name);
    if (!last) throw new Error(`no session for ${name}`);
    return last;
  }

  connect(name: string): void {
    this.do(this.failover.connected(this.session(name).id, this.now));
    this.failover.proven(this.session(name).id);
  }

  frame(name: string, fresh = true): void {
    this.do(this.failover.frame(this.session(name).id, fresh, this.now));
  }

  /** Playing from "a", "b" warm. */
  play(): void {
    this.do(this.failover.tick(this.now));
    this.do(this.failover.ticket(EDGES, this.now));
    this.connect("a");
    this.frame("a");
    this.connect("b");
    this.done = [];
  }
}

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
  rig.do(rig.failover.tick(rig.now));
});

describe("start", () => {
  it("connects the best edge first and subscribes when it is ready", () => {
    rig.do(rig.failover.ticket(EDGES, rig.now));
    expect(rig.names("connect")).toEqual(["a"]);
    rig.connect("a");
    expect(rig.names("subscribe")).toEqual(["a"]);
  });

  it("warms the second edge only once frames flow", () => {
    rig.do(rig.failover.ticket(EDGES, rig.now));
    rig.connect("a");
    rig.wait(500);
    expect(rig.names("connect")).toEqual(["a"]);
    rig.frame("a");
    expect(rig.names("connect")).toEqual(["a", "b"]);
    expect(rig.names("subscribe")).toEqual(["a"]);
  });

  it("tries the next edge beside a slow one, and takes whichever is ready first", () => {
    rig.do(rig.failover.ticket(EDGES, rig.now));
    rig.wait(HEADSTART_MS + TICK_MS);
    expect(rig.names("connect")).toEqual(["a", "b"]);
    rig.connect("b");
    expect(rig.failover.active?.edge.node_id).toBe("b");
    rig.connect("a");
    expect(rig.names("subscribe")).toEqual(["b"]);
  });

  it("gives an attempt up that takes too long, and lets the edge rest", () => {
    rig.do(rig.failover.ticket([edge("a", 0)], rig.now));
    rig.wait(CONNECT_TIMEOUT_MS + 2 * TICK_MS);
    expect(rig.names("close")).toEqual(["a"]);
    rig.wait(REST_MS);
    expect(rig.names("connect")).toEqual(["a", "a"]);
  });

  it("asks the second edge when the first never brings a frame", () => {
    rig.do(rig.failover.ticket(EDGES, rig.now));
    rig.connect("a");
    rig.wait(FIRST_FRAME_MS + TICK_MS);
    rig.connect("b");
    expect(rig.names("subscribe")).toEqual(["a", "b"]);
  });
});

describe("watchdog", () => {
  it("subscribes on the warm edge after 250 ms of silence and keeps the first subscription", () => {
    rig.play();
    rig.wait(200);
    expect(rig.names("subscribe")).toEqual([]);
    rig.wait(50);
    expect(rig.names("subscribe")).toEqual(["b"]);
    expect(rig.names("unsubscribe")).toEqual([]);
  });

  it("moves over when only the challenger delivers, and warms the next edge", () => {
    rig.play();
    rig.wait(250);
    rig.frame("b", false);
    rig.frame("b", true);
    rig.wait(GRACE_MS, () => rig.frame("b"));
    expect(rig.failover.active?.edge.node_id).toBe("b");
    expect(rig.names("close")).toEqual(["a"]);
    expect(rig.names("connect")).toEqual(["c"]);
    const switched = rig.done.find((a) => a.do === "switched");
    expect(switched).toMatchObject({ from: { node_id: "a" }, to: { node_id: "b" }, silent_ms: 250 });
  });

  it("stays when the first edge delivers again", () => {
    rig.play();
    rig.wait(250);
    rig.frame("a");
    expect(rig.names("unsubscribe")).toEqual(["b"]);
    expect(rig.failover.active?.edge.node_id).toBe("a");
    expect(rig.failover.warm?.edge.node_id).toBe("b");
  });

  it("stays when the challenger was only a little faster than a healthy edge", () => {
    rig.play();
    rig.wait(250);
    rig.frame("b", true);
    rig.frame("a", false);
    rig.wait(GRACE_MS);
    expect(rig.failover.active?.edge.node_id).toBe("a");
    expect(rig.names("close")).toEqual([]);
  });

  it("leaves an edge that needs rescue again and again", () => {
    rig.play();
    for (let round = 0; round < 3; round++) {
      rig.wait(250);
      rig.frame("b", false);
      rig.frame("a");
    }
    expect(rig.failover.active?.edge.node_id).toBe("b");
  });

  it("does not judge a tick that its own thread held up", () => {
    rig.play();
    rig.now += 400;
    rig.do(rig.failover.tick(rig.now));
    expect(rig.names("subscribe")).toEqual([]);
    rig.frame("a");
    rig.wait(50);
    expect(rig.names("subscribe")).toEqual([]);
  });

  it("judges ticks of a hidden page, which all come late", () => {
    rig.play();
    for (let i = 0; i < 2; i++) {
      rig.now += 1000;
      rig.do(rig.failover.tick(rig.now));
    }
    expect(rig.names("subscribe")).toEqual(["b"]);
  });
});

describe("silence everywhere", () => {
  it("keeps both edges and asks for a ticket when the source is silent", () => {
    rig.play();
    rig.now += 2000;
    rig.frame("a");
    rig.wait(250);
    rig.frame("b", false);
    rig.wait(REPLACE_MS + 2 * TICK_MS);
    expect(rig.names("close")).toEqual([]);
    expect(rig.done.filter((a) => a.do === "ask_ticket")).toHaveLength(1);
    rig.frame("a");
    expect(rig.failover.active?.edge.node_id).toBe("a");
  });

  it("goes on to the third edge when the first two died together", () => {
    rig.play();
    rig.wait(250 + REPLACE_MS + TICK_MS);
    expect(rig.names("connect")).toEqual(["c"]);
    rig.connect("c");
    expect(rig.names("subscribe")).toEqual(["b", "c"]);
    rig.frame("c");
    rig.wait(GRACE_MS, () => rig.frame("c"));
    expect(rig.failover.active?.edge.node_id).toBe("c");
  });

  it("asks for tickets ever more seldom while nothing comes", () => {
    rig.play();
    rig.wait(60_000);
    const asks = rig.done.filter((a) => a.do === "ask_ticket").length;
    expect(asks).toBeGreaterThanOrEqual(4);
    expect(asks).toBeLessThan(9);
  });
});

describe("closed connections", () => {
  it("moves to the warm edge at once", () => {
    rig.play();
    rig.do(rig.failover.closed(rig.session("a").id, rig.now));
    expect(rig.failover.active?.edge.node_id).toBe("b");
    expect(rig.names("subscribe")).toEqual(["b"]);
    expect(rig.names("connect")).toEqual(["c"]);
  });

  it("replaces a warm edge that closed", () => {
    rig.play();
    rig.do(rig.failover.closed(rig.session("b").id, rig.now));
    expect(rig.names("connect")).toEqual(["c"]);
    expect(rig.names("subscribe")).toEqual([]);
  });

  it("replaces a warm edge that does not bring the catalog", () => {
    rig.do(rig.failover.ticket(EDGES, rig.now));
    rig.connect("a");
    rig.frame("a");
    rig.do(rig.failover.connected(rig.session("b").id, rig.now));
    rig.wait(PROOF_MS + TICK_MS, () => rig.frame("a"));
    expect(rig.names("close")).toEqual(["b"]);
    expect(rig.names("connect")).toEqual(["a", "b", "c"]);
  });

  it("comes back to a rested edge when no other is left", () => {
    rig.do(rig.failover.ticket([edge("a", 0)], rig.now));
    rig.connect("a");
    rig.frame("a");
    rig.do(rig.failover.closed(rig.session("a").id, rig.now));
    rig.done = [];
    rig.wait(REST_MS);
    expect(rig.names("connect")).toEqual(["a"]);
    rig.connect("a");
    expect(rig.names("subscribe")).toEqual(["a"]);
  });
});

describe("a fresher list of edges", () => {
  it("is asked for while there is no spare, and gives one without touching the picture", () => {
    rig.do(rig.failover.ticket([edge("a", 0), edge("b", 1)], rig.now));
    rig.connect("a");
    rig.frame("a");
    rig.connect("b");
    rig.do(rig.failover.closed(rig.session("b").id, rig.now));
    rig.done = [];
    rig.wait(TICKET_SPACING_MS + TICK_MS, () => rig.frame("a"));
    expect(rig.done.filter((a) => a.do === "ask_ticket")).toHaveLength(1);
    rig.do(rig.failover.ticket([edge("a", 0), edge("b2", 1)], rig.now));
    expect(rig.names("connect")).toEqual(["b2"]);
    expect(rig.names("close")).toEqual([]);
    rig.connect("b2");
    rig.wait(2000, () => rig.frame("a"));
    expect(rig.names("subscribe")).toEqual([]);
  });

  it("drops a spare that is not listed any more", () => {
    rig.play();
    rig.do(rig.failover.ticket([edge("a", 0), edge("c", 1)], rig.now));
    expect(rig.names("close")).toEqual(["b"]);
    expect(rig.names("connect")).toEqual(["c"]);
  });

  it("is not asked for where there is but one edge", () => {
    rig.do(rig.failover.ticket([edge("a", 0)], rig.now));
    rig.connect("a");
    rig.frame("a");
    rig.wait(30_000, () => rig.frame("a"));
    expect(rig.done.filter((a) => a.do === "ask_ticket")).toEqual([]);
  });
});

describe("renewal of the grant", () => {
  it("takes over with the new grant's first frame, even a duplicate, without counting a gap", () => {
    rig.play();
    rig.do(rig.failover.ticket(EDGES, rig.now, true));
    expect(rig.names("close")).toEqual(["b"]);
    const old = rig.failover.active;
    expect(rig.names("connect")).toEqual(["a"]);
    rig.connect("a");
    rig.frame("a", false);
    expect(rig.failover.active?.id).not.toBe(old?.id);
    expect(rig.failover.active?.edge.node_id).toBe("a");
    expect(rig.done.find((a) => a.do === "switched")).toMatchObject({ silent_ms: 0 });
    expect(rig.names("connect")).toEqual(["a", "b"]);
  });
});

describe("pause", () => {
  it("unsubscribes, watches nothing, and subscribes again", () => {
    rig.play();
    rig.do(rig.failover.pause());
    rig.wait(5000);
    expect(rig.names("subscribe")).toEqual([]);
    rig.do(rig.failover.resume(rig.now));
    expect(rig.names("subscribe")).toEqual(["a"]);
  });
});

describe("sleep", () => {
  const closed = (name: string): void => void rig.do(rig.failover.closed(rig.session(name).id, rig.now));

  it("does not let edges rest for connections that died while the page slept", () => {
    rig.do(rig.failover.ticket(EDGES.slice(0, 2), rig.now));
    rig.connect("a");
    rig.frame("a");
    rig.connect("b");
    rig.now += 60_000;
    rig.do(rig.failover.woke(rig.now));
    rig.done = [];
    closed("a");
    closed("b");
    expect(rig.names("connect")).toEqual(["a", "b"]);
  });

  it("forgives an edge once: one that fails again rests", () => {
    rig.do(rig.failover.ticket(EDGES.slice(0, 1), rig.now));
    rig.connect("b");
    rig.now += 60_000;
    rig.do(rig.failover.woke(rig.now));
    closed("b");
    rig.done = [];
    closed("b");
    expect(rig.names("connect")).toEqual([]);
  });
});

it("keeps at most three sessions whatever happens", () => {
  let seed = 7;
  const random = (n: number): number => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return seed % n;
  };
  const open = new Map<number, Session>();
  const apply = (actions: Action[]): void => {
    for (const action of actions) {
      if (action.do === "connect") open.set(action.session.id, action.session);
      if (action.do === "close") open.delete(action.session.id);
    }
  };
  rig.do(rig.failover.ticket(EDGES, rig.now)).forEach((a) => apply([a]));
  for (let step = 0; step < 20_000; step++) {
    rig.now += random(120);
    const sessions = [...open.values()];
    const some = sessions[random(Math.max(1, sessions.length))];
    const event = random(12);
    if (some && event < 4) apply(rig.failover.frame(some.id, random(3) > 0, rig.now));
    else if (some && event < 6) apply(rig.failover.connected(some.id, rig.now));
    else if (some && event === 6) {
      open.delete(some.id);
      apply(rig.failover.closed(some.id, rig.now));
    } else if (event === 7 && random(40) === 0) apply(rig.failover.ticket(EDGES, rig.now, random(2) === 0));
    else apply(rig.failover.tick(rig.now));
    expect(open.size, `step ${step} of seed 7`).toBeLessThanOrEqual(3);
  }
});
