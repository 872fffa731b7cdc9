import assert from "node:assert/strict";
import { test } from "node:test";
import {
  FIELDS,
  FIRST_TERMS,
  cells,
  countsWords,
  decisionCells,
  fieldFlag,
  fieldText,
  gradeWords,
  inOrder,
  matchWords,
  movedKeys,
  nextStates,
  otherAccounts,
  readTerms,
  shadowWords,
  stateTitle,
  versionWords,
} from "../../../../static/js/rfq/maker/rules-model.js";
import { priceWords } from "../../../../static/js/rfq/confirm/words.js";

/** A form as it stands when it opens with these terms. @param {any} terms */
const form = (terms) =>
  Object.fromEntries(
    FIELDS.map((field) => [field.name, field.kind === "flag" ? fieldFlag(terms, field) : fieldText(terms, field)]),
  );

const TERMS = {
  match: { series: ["KXNFL"], combos: "only", min_legs: 2, max_legs: 3, max_cost: "5000", closes_within_s: 3600 },
  fair: "legs",
  edge_unit: "dollars",
  edge_yes: "0.0150",
  edge_no: "0.0200",
  min_width: "0.0300",
  sides: "both",
  max_contracts: "1000",
  max_open: 5,
  max_at_risk: "2500",
  ttl_s: 60,
  never_alone: true,
  policy: "auto",
  max_move: "0.0100",
  breakers: { lapses_in_row: 3 },
};

test("terms come back from the form as they went in", () => {
  assert.deepEqual(readTerms(form(TERMS)), { terms: TERMS, faults: {} });
  const percent = { ...TERMS, edge_unit: "percent", edge_yes: "3", edge_no: "4.5" };
  assert.deepEqual(readTerms(form(percent)).terms, percent);
  assert.deepEqual(readTerms(form(FIRST_TERMS)).faults, {});
});

test("edges are typed in cents, percent when that is chosen", () => {
  const shown = (/** @type {any} */ terms, /** @type {string} */ name) =>
    fieldText(terms, /** @type {any} */ (FIELDS.find((field) => field.name === name)));
  assert.equal(shown(TERMS, "edge_yes"), "1.5");
  assert.equal(shown(TERMS, "match.series"), "KXNFL");
  assert.equal(shown({ ...TERMS, edge_unit: "percent", edge_yes: "3" }, "edge_yes"), "3");
});

test("what cannot be read is said by field, as the desk names it", () => {
  const { faults } = readTerms({ ...form(TERMS), "match.max_legs": "many", edge_yes: "1.555", max_at_risk: "lots" });
  assert.deepEqual(faults, {
    "match.max_legs": "A whole number.",
    edge_yes: "Cents with at most two decimals.",
    max_at_risk: "A number.",
  });
});

test("the grid says what a rule matches, how it prices, and what it did today", () => {
  assert.equal(matchWords(TERMS), "combos · KXNFL · 2 to 3 legs · up to 5000 dollars · closing within 3600 s");
  assert.equal(matchWords({}), "every request");
  const counts = { seen: 120, quoted: 40, would_quote: 0, won: 3, lapsed: 1 };
  const row = { name: "nfl", priority: 2, state: "armed", terms: TERMS, counts, breakers: TERMS.breakers };
  assert.deepEqual(cells(row), {
    priority: "2",
    name: "nfl",
    match: matchWords(TERMS),
    fair: "product of the legs",
    edges: "1.5 / 2",
    width: "3",
    caps: "1,000 each · 5 open · $2,500",
    ttl: "60 s",
    policy: "auto, 1¢",
    state: "armed",
    today: "120 seen · 40 quoted · 3 won · 1 lapsed",
    breakers: "lapses in row 3",
  });
  assert.equal(countsWords({ seen: 7, would_quote: 5 }, "shadow"), "7 seen · 5 would quote · 0 quoted · 0 won");
});

test("the version says who, when and why; the state says who and why", () => {
  const time = () => "12:00";
  const row = { version: 3, made_by: { name: "Quinn" }, made_ms: 1, why: "wider", approved_by: { name: "Lee" } };
  assert.equal(versionWords(row, time), "Version 3 by Quinn at 12:00, approved by Lee: wider");
  const off = { state: "off", state_text: "Off", state_ms: 1, state_by: null, state_why: "three lapses in a row" };
  assert.equal(stateTitle(off, time), "Off since 12:00: three lapses in a row");
});

test("only who may arm is offered it; rules move by one place", () => {
  assert.deepEqual(nextStates("off", false), ["shadow"]);
  assert.deepEqual(nextStates("off", true), ["shadow", "armed"]);
  assert.deepEqual(nextStates("armed", false), ["off", "shadow"]);
  assert.deepEqual(movedKeys(["a", "b", "c"], "c", -1), ["a", "c", "b"]);
  assert.equal(movedKeys(["a", "b"], "a", -1), null);
  assert.equal(movedKeys(["a", "b"], "x", 1), null);
});

test("a decision reads with its reason in words", () => {
  const row = {
    action: "shadow",
    title: "BUF wins",
    ticker: "KX",
    rule: { id: 1, name: "nfl", version: 2 },
    yes_bid: "0.3820",
    no_bid: null,
    fair: "0.4000",
    reason: "too_wide",
    text: "",
    took_ms: 4,
  };
  assert.deepEqual(decisionCells(row, "cents", priceWords), {
    action: "would have quoted",
    market: "BUF wins",
    rule: "nfl v2",
    bids: "38.2¢ / -",
    fair: "40¢",
    why: "too wide",
    took: "4 ms",
  });
});

test("what a rule would have made in the shadow is told with how many were graded", () => {
  const shadow = { graded: 12, won: 3, tied: 1, lost: 4, no_print: 4, valued: 3, made: "1.2000" };
  assert.equal(shadowWords(shadow), "would have won 3 of 8 trades, $1.20 a minute later (12 graded)");
  assert.equal(shadowWords({ ...shadow, valued: 0, made: null }), "would have won 3 of 8 trades (12 graded)");
  assert.equal(shadowWords({ ...shadow, graded: 0 }), "");
  assert.equal(shadowWords(undefined), "");

  const grade = { standing: "won", made: "0.5000", why_not: "" };
  assert.equal(gradeWords(grade), "would have won, $0.50 a minute later");
  assert.equal(gradeWords({ ...grade, standing: "lost", made: null }), "somebody paid more");
  assert.equal(gradeWords({ standing: null, made: null, why_not: "no tape" }), "not graded: no tape");
  assert.equal(gradeWords(null), "");
});

test("rules of several accounts stand together by account, the selected one first, each in its own order", () => {
  const rule = (/** @type {number} */ id, /** @type {number} */ account, /** @type {number} */ priority) => ({
    id,
    account_id: account,
    priority,
  });
  const rows = [rule(1, 7, 2), rule(2, 9, 1), rule(3, 7, 1), rule(4, 9, 1)];
  assert.deepEqual(
    inOrder(rows, [9, 7]).map(({ id }) => id),
    [2, 4, 3, 1],
  );
});

test("only accounts of the same environment share a grid", () => {
  const accounts = [
    { id: 1, name: "A", environment: "paper" },
    { id: 2, name: "B", environment: "paper" },
    { id: 3, name: "C", environment: "demo" },
  ];
  assert.deepEqual(
    otherAccounts(accounts, "1", "paper").map(({ name }) => name),
    ["B"],
  );
});
