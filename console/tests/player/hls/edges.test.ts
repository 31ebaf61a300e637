import { expect, it } from "vitest";
import { HlsEdges } from "../../../src/player/hls/edges";

const at = (node: string, grant = "g"): { node_id: string; url: string; ll: boolean } => ({
  node_id: node, url: `https://${node}:8443/hls/${grant}/ch/index.m3u8?v=1`, ll: true,
});

it("names the same thing at the node that serves now", () => {
  const edges = new HlsEdges([at("a"), at("b")], () => 0);
  expect(edges.rewrite("https://b:8443/hls/g/ch/480p/7.m4s")).toBe("https://a:8443/hls/g/ch/480p/7.m4s");
  expect(edges.rewrite("https://elsewhere/x.m4s")).toBe("https://elsewhere/x.m4s");
});

it("goes to the next when one fails, and back when all the others rest", () => {
  let now = 0;
  const edges = new HlsEdges([at("a"), at("b"), at("c")], () => now);
  const fail = (): string => {
    edges.failed(edges.rewrite("https://a:8443/hls/g/ch/480p/7.m4s"));
    return edges.current?.node_id ?? "";
  };
  expect([fail(), fail(), fail()]).toEqual(["b", "c", "a"]);
  now = 10_000;
  edges.served();
  expect(fail()).toBe("b");
});

it("hears of a failure at a node that was left already without leaving another", () => {
  const edges = new HlsEdges([at("a"), at("b")], () => 0);
  const late = "https://a:8443/hls/g/ch/480p/7.m4s";
  expect(edges.failed(late)).toBe(true);
  expect(edges.failed(late)).toBe(true);
  expect(edges.current?.node_id).toBe("b");
});

it("has nowhere to go with one node", () => {
  expect(new HlsEdges([at("a")], () => 0).failed("https://a:8443/hls/g/ch/7.m4s")).toBe(false);
});

it("follows a renewed grant, also with addresses planned before", () => {
  const edges = new HlsEdges([at("a"), at("b")], () => 0);
  edges.replace([at("b", "new"), at("a", "new")]);
  expect(edges.rewrite("https://a:8443/hls/g/ch/480p/7.m4s")).toBe("https://a:8443/hls/new/ch/480p/7.m4s");
});
