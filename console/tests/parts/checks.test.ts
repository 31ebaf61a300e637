import { expect, it } from "vitest";
import { CHECKS, DEFAULTS, fieldOf, valueOf } from "../../src/parts/checks";

const fields = CHECKS.flatMap((check) => check.fields);

it("has a field for every threshold, once", () => {
  const keys = fields.map((field) => field.key).sort();
  expect(keys).toEqual(Object.keys(DEFAULTS).filter((key) => key !== "enabled").sort());
});

it.each(fields)("$key comes back as it was shown", (field) => {
  expect(valueOf(field, fieldOf(field, DEFAULTS))).toBeCloseTo(DEFAULTS[field.key], 6);
  expect(valueOf(field, "")).toBe(field.min / field.scale);
  expect(valueOf(field, field.max * 2 + 1)).toBe(field.max / field.scale);
});
