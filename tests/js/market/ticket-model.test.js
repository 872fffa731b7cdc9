import assert from "node:assert/strict";
import { test } from "node:test";

import { countForCost, readCost, readCount, readPrice } from "../../../static/js/market/ticket-model.js";

test("a price is read as people type it", () => {
  for (const [text, units] of /** @type {[string, number][]} */ ([
    ["52", 5200],
    ["52.5", 5250],
    ["52,5", 5250],
    ["52.5c", 5250],
    ["52¢", 5200],
    ["$0.525", 5250],
    ["0.52", 5200],
    [".52", 5200],
    ["0.5c", 50],
    ["99.99", 9999],
  ])) {
    assert.deepEqual(readPrice(text), { units }, text);
  }
});

test("a number that may be cents or dollars is asked back", () => {
  for (const text of ["0.3", ".3", "0,3"]) {
    const result = readPrice(text);
    assert.ok("error" in result && result.error.includes("0.3c or $0.30"), text);
  }
  for (const [text, units] of /** @type {[string, number][]} */ ([
    ["0.3c", 30],
    ["$0.3", 3000],
    ["0.30", 3000],
  ])) {
    assert.deepEqual(readPrice(text), { units }, text);
  }
});

test("what is not a price says so and gives no number", () => {
  for (const text of ["", "abc", "1e3", "-5", "0", "100", "$1.00", "52.123", "NaN", "5 2"]) {
    const result = readPrice(text);
    assert.ok("error" in result && result.error.length > 10, text);
  }
});

test("an endless price is out of range, not too precise", () => {
  const result = readPrice("99999999999999999999");
  assert.ok("error" in result && result.error.includes("between 0 and 100 cents"));
});

test("a count is read with thousands, k and fractions", () => {
  for (const [text, units] of /** @type {[string, number][]} */ ([
    ["500", 50_000],
    ["1,000", 100_000],
    ["1 000", 100_000],
    ["12,345,678", 1_234_567_800],
    ["1,000.5", 100_050],
    ["2k", 200_000],
    ["1.5k", 150_000],
    ["0.25", 25],
  ])) {
    assert.deepEqual(readCount(text), { units }, text);
  }
});

test("a wrong count says so", () => {
  for (const text of ["", "  ", "0", "-1", "0.001", "10.001", "1e9", "99999999999999", "1 5", "10 contracts", "NaN"]) {
    assert.ok("error" in readCount(text), text);
  }
});

test("a comma that is not between thousands is asked back, never dropped", () => {
  for (const text of ["1,5", "10,00", "0,25", "1000,5"]) {
    const result = readCount(text);
    assert.ok("error" in result && result.error.includes(text.replace(",", ".")), text);
  }
});

test("a cost is read in dollars, and a wrong or endless one says so", () => {
  for (const [text, units] of /** @type {[string, number][]} */ ([
    ["50", 10_000],
    ["$1,250.50", 250_100],
    ["$ 7", 1_400],
  ])) {
    assert.deepEqual(readCost(text, 5_000), { units }, text);
  }
  for (const text of ["", "1,5", "1e3", "-5", "0", "99999999999999999999", "5.001"]) {
    assert.ok("error" in readCost(text, 5_000), text);
  }
});

test("a cost buys whole contracts and never more than it pays for", () => {
  assert.equal(countForCost(10_000_000, 5250), 1900);
  assert.equal(countForCost(520_000, 5200), 100);
  assert.equal(countForCost(519_999, 5200), 0);
});
