import assert from "node:assert/strict";
import { test } from "node:test";

import {
  centDecimals,
  formatCount,
  formatFixed,
  formatMoney,
  formatPrice,
  fromUnits,
  toUnits,
} from "../../../static/js/core/fixed.js";

test("a decimal string becomes integer units and back without loss", () => {
  for (const [text, places, units] of /** @type {[string, number, number][]} */ ([
    ["0.5600", 4, 5600],
    ["0.0001", 4, 1],
    ["-12.5", 2, -1250],
    ["48211.360000", 6, 48211360000],
    ["0", 2, 0],
  ])) {
    assert.equal(toUnits(text, places), units);
    assert.equal(toUnits(fromUnits(units, places), places), units);
  }
});

test("every price of the finest grid survives the round trip", () => {
  for (let units = 0; units <= 10_000; units += 1) assert.equal(toUnits(fromUnits(units, 4), 4), units);
});

test("what is not an exact fixed-point value is refused", () => {
  for (const text of ["", "1e3", "0.56001", "NaN", " 1", "1.", ".5", "١", "9007199254740993"]) {
    assert.throws(() => toUnits(text, 4), RangeError, text);
  }
  assert.throws(() => fromUnits(0.5, 4), RangeError);
});

test("minus zero does not exist", () => {
  assert.ok(Object.is(toUnits("-0.00", 2), 0));
});

test("a price shows the decimals of its market's tick", () => {
  assert.equal(formatPrice(5200), "52¢");
  assert.equal(formatPrice(5250, { step: 10 }), "52.5¢");
  assert.equal(formatPrice(5200, { step: 10 }), "52.0¢");
  assert.equal(formatPrice(1, { step: 1 }), "0.01¢");
  assert.equal(centDecimals(50), 1);
});

test("a price can be dollars, percent or American odds", () => {
  assert.equal(formatPrice(5250, { format: "dollars", step: 10 }), "$0.525");
  assert.equal(formatPrice(5250, { format: "percent", step: 10 }), "52.5%");
  assert.equal(formatPrice(6000, { format: "american" }), "-150");
  assert.equal(formatPrice(4000, { format: "american" }), "+150");
  assert.equal(formatPrice(5000, { format: "american" }), "-100");
  assert.equal(formatPrice(0, { format: "american" }), "-");
});

test("contracts show decimals only when fractional", () => {
  assert.equal(formatCount(1_284_90200), "1,284,902");
  assert.equal(formatCount(1250), "12.50");
});

test("money rounds half away from zero for showing and never shows minus nothing", () => {
  assert.equal(formatMoney(48_211_365_000), "$48,211.37");
  assert.equal(formatMoney(-1_234_565), "-$1.23");
  assert.equal(formatMoney(-1_235_000), "-$1.24");
  assert.equal(formatMoney(1_287_440_000, { signed: true }), "+$1,287.44");
  assert.equal(formatMoney(-4_000), "$0.00");
  assert.equal(formatFixed(999_999, 6, 0), "1");
});
