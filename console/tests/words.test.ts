import { expect, it } from "vitest";
import { en } from "../src/i18n/en";
import { zh } from "../src/i18n/zh";

const placeholders = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();

it.each(Object.keys(en) as (keyof typeof en)[])("%s says the same in both languages", (key) => {
  expect(zh[key]).not.toBe("");
  expect(placeholders(zh[key])).toEqual(placeholders(en[key]));
});
