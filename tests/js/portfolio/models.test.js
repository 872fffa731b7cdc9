import assert from "node:assert/strict";
import { test } from "node:test";

import { figuresOf } from "../../../static/js/portfolio/figures-model.js";
import { markOf } from "../../../static/js/portfolio/mark-model.js";
import {
  arrange,
  groupRows,
  isChosen,
  positionRow,
  readFacts,
  sumRows,
  unknownFacts,
} from "../../../static/js/portfolio/row-model.js";
import { scenarioOf, worthOf } from "../../../static/js/portfolio/scenario-model.js";
import { treemap } from "../../../static/js/portfolio/treemap-model.js";

/* --- marks: the same vectors as tests/portfolio/test_figures.py --------------------------------- */

const OPEN = { result: "", value: null };

/** @param {string | null} bid @param {string | null} ask @param {string | null} [last] */
const row = (bid, ask, last = null) => ({ v: 5_000_000, bid, ask, last });

test("the first rule that applies gives the mark", () => {
  /** @type {[ReturnType<typeof row>, {result: string, value: string | null}, string, number | null][]} */
  const vectors = [
    [row("0.4000", "0.4500"), OPEN, "mid", 4250],
    [row("0.0001", "0.0002"), OPEN, "mid", 2],
    [row("0.4000", null), OPEN, "one_side", 4000],
    [row(null, "0.4500", "0.3000"), OPEN, "one_side", 4500],
    [row(null, null, "0.3000"), OPEN, "last", 3000],
    [row(null, null), OPEN, "none", null],
    [row("0.4000", "0.4500"), { result: "no", value: null }, "result", 0],
    [row(null, null), { result: "scalar", value: "0.5970" }, "result", 5970],
  ];
  for (const [prices, facts, kind, price] of vectors) {
    const mark = markOf(facts, null, prices);
    assert.deepEqual([mark.kind, mark.price], [kind, price]);
  }
});

test("the live book counts before the list, unless nothing is behind it", () => {
  /** @type {any} */
  const book = {
    yes: [
      ["0.4000", "1.00"],
      ["0.5000", "1.00"],
    ],
    no: [["0.4800", "1.00"]],
    state: "live",
    recv_ms: 9,
  };
  assert.equal(markOf(OPEN, book, row("0.1000", "0.2000")).price, 5100);
  assert.equal(markOf(OPEN, { ...book, state: "down" }, row("0.1000", "0.2000")).price, 1500);
  assert.equal(markOf(OPEN, { yes: [], no: [], state: "stale" }, row("0.1000", "0.2000")).price, 1500);
});

/* --- scenarios against brute force ---------------------------------------------------------------- */

/** @param {number} seed */
function draws(seed) {
  let state = seed;
  return (/** @type {number} */ below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor(state / 65_536) % below;
  };
}

/** @param {import("../../../static/js/portfolio/scenario-model.js").Leg[]} legs @param {boolean} isExclusive */
function tried(legs, isExclusive) {
  const tickers = [...new Set(legs.map((leg) => leg.ticker))];
  const known = new Map(legs.map((leg) => [leg.ticker, leg.value]));
  const found = [];
  for (let bits = 0; bits < 2 ** tickers.length; bits++) {
    const yes = new Map(tickers.map((ticker, at) => [ticker, Boolean(bits & (1 << at))]));
    if (tickers.some((one) => known.get(one) !== null && yes.get(one) !== (known.get(one) === 10_000))) continue;
    if (isExclusive && [...yes.values()].filter(Boolean).length > 1) continue;
    const valueOf = (/** @type {string} */ one) => known.get(one) ?? (yes.get(one) ? 10_000 : 0);
    found.push(legs.reduce((sum, leg) => sum + worthOf(leg.position, valueOf(leg.ticker)) - leg.cost, 0));
  }
  return { worst: Math.min(...found), best: Math.max(...found) };
}

test("worst and best case are those of all outcomes, tried in turn", () => {
  for (let seed = 1; seed <= 400; seed++) {
    const draw = draws(seed);
    const isExclusive = draw(2) === 1;
    const results = ["A", "B", "C", "D"].map(() => [null, null, null, 0, 2500][draw(5)] ?? null);
    if (draw(6) === 0) results[0] = 10_000;
    const legs = Array.from({ length: 1 + draw(6) }, () => {
      const at = draw(4);
      const position = draw(2000) - 1000;
      return { ticker: "ABCD".charAt(at), position, cost: draw(9_000_000), value: results[at] ?? null, isVoid: false };
    });
    assert.deepEqual(scenarioOf(legs, isExclusive), tried(legs, isExclusive), `seed ${seed}`);
  }
});

/* --- rows ------------------------------------------------------------------------------------------ */

const FACTS = readFacts({
  markets: {
    "E-A": ["A wins", "E", 1, 2000, "active", "", null],
    "E-B": ["B wins", "E", 1, 1000, "active", "", null],
    "F-X": ["X", "F", 1, null, "active", "", null],
  },
  events: { E: ["Who wins?", "S", "Sports", true], F: ["Other", "T", "Economics", false] },
  series: { S: "Games" },
});

/** @param {string} ticker @param {string} position @param {string} cost @param {number | null} price @param {number} [sub] */
function at(ticker, position, cost, price, sub = 0) {
  const told = {
    key: `${sub}:${ticker}`,
    subaccount: sub,
    ticker,
    position,
    cost,
    realized_pnl: "1.5000",
    fees_paid: "0.2500",
    seen_ms: 5,
    source: "ws",
  };
  const mark = markOf(OPEN, null, price === null ? undefined : row(null, null, `0.${String(price).padStart(4, "0")}`));
  return positionRow(told, FACTS.get(ticker) ?? unknownFacts(ticker), mark, ["0.5000", "0.1000"], false);
}

test("a NO position is priced on its own leg", () => {
  const no = at("E-A", "-10.00", "7.0000", 2500);
  assert.deepEqual(
    [no.side, no.count, no.average, no.markPrice, no.value, no.unrealised, no.paysYes, no.paysNo, no.worst, no.best],
    ["NO", 1000, 7000, 7500, 7_500_000, 500_000, 0, 10_000_000, -7_000_000, 3_000_000],
  );
  assert.equal(no.today, 400_000);
});

test("a group adds up, says when a mark is missing, and an exclusive event loses at most once", () => {
  const rows = [at("E-A", "-10.00", "7.0000", 2500), at("E-B", "-10.00", "6.0000", null)];
  const [head] = groupRows(rows, "event", new Set());
  assert.ok(head);
  assert.deepEqual(
    [head.name, head.positions, head.cost, head.value, head.unmarked],
    ["Who wins?", 2, 13_000_000, null, 1],
  );
  assert.deepEqual([head.worst, head.best, head.isExclusive, head.settlesMs], [-3_000_000, 7_000_000, true, 1000]);
  assert.equal(sumRows([]).settlesMs, null);
});

test("every grouping has every position once, under its own head", () => {
  const rows = [
    at("E-A", "1.00", "0.1", 1),
    at("E-B", "1.00", "0.1", 1, 3),
    at("F-X", "1.00", "0.1", 1),
    at("G", "1.00", "0.1", 1),
  ];
  for (const by of ["event", "series", "category", "subaccount", "market"]) {
    const heads = groupRows(rows, by, new Set());
    assert.equal(
      heads.reduce((sum, head) => sum + head.positions, 0),
      4,
      by,
    );
    const nodes = [...rows, ...heads].map((data) => ({ data }));
    arrange(nodes, by);
    assert.equal(nodes.length, rows.length + heads.length, by);
    assert.equal(nodes[0]?.data.isGroup, true, by);
  }
  assert.deepEqual(groupRows(rows, "none", new Set()), []);
});

test("filters look at tickers, names, subaccounts and what is flat", () => {
  const flat = at("E-A", "0.00", "0.0000", null);
  const open = at("E-A", "1.00", "0.1000", 1, 3);
  assert.equal(isChosen(flat, { text: "", subaccount: "", flat: false }), false);
  assert.equal(isChosen(flat, { text: "who WINS", subaccount: "", flat: true }), true);
  assert.equal(isChosen(open, { text: "nothing", subaccount: "", flat: true }), false);
  assert.equal(isChosen(open, { text: "", subaccount: "3", flat: false }), true);
  assert.equal(isChosen(open, { text: "", subaccount: "0", flat: false }), false);
});

/* --- treemap ---------------------------------------------------------------------------------------- */

test("tiles have the area of their values, fill the room and do not overlap", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const draw = draws(seed);
    const sizes = Array.from({ length: 1 + draw(25) }, () => 1 + draw(1000));
    const tiles = treemap(sizes, (size) => size, 320, 180);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    assert.equal(tiles.length, sizes.length);
    for (const tile of tiles) {
      assert.ok(Math.abs(tile.width * tile.height - (tile.item / total) * 320 * 180) < 0.01);
      assert.ok(tile.x >= -0.01 && tile.y >= -0.01 && tile.x + tile.width < 320.01 && tile.y + tile.height < 180.01);
    }
    for (const [at, one] of tiles.entries())
      for (const other of tiles.slice(at + 1)) {
        const wide = Math.min(one.x + one.width, other.x + other.width) - Math.max(one.x, other.x);
        const high = Math.min(one.y + one.height, other.y + other.height) - Math.max(one.y, other.y);
        assert.ok(wide < 0.01 || high < 0.01, `seed ${seed}`);
      }
  }
});

test("nothing takes no room", () => {
  assert.deepEqual(
    treemap([0, -1], (size) => size, 100, 100),
    [],
  );
  assert.deepEqual(
    treemap([1], (size) => size, 0, 100),
    [],
  );
});

/* --- figures ---------------------------------------------------------------------------------------- */

const BALANCE = {
  subaccounts: {
    0: { cash: "100.0000", portfolio_value: "5.0000", seen_ms: 7 },
    3: { cash: "20.0000", portfolio_value: "0.0000", seen_ms: 5 },
  },
};
const PNL = {
  reserved: "4.0000",
  total: {
    realized: "3.0000",
    fees: "0.5000",
    settlement_fees: "0.0082",
    trade_fees: "0.4",
    rounding: "0.2",
    rebates: "0.1",
  },
  start: { unrealized: "1.0000" },
};

test("a day is realised and unrealised less what the exchange charged", () => {
  const found = figuresOf(BALANCE, PNL, 2_500_000);
  assert.deepEqual([found.cash, found.equity, found.seenMs], [120_000_000, 129_000_000, 5]);
  assert.deepEqual([found.unrealised, found.fees, found.day], [1_500_000, 508_200, 3_991_800]);
});

test("what is not known is not added up", () => {
  assert.equal(figuresOf(null, PNL, null).cash, null);
  assert.equal(figuresOf(BALANCE, { ...PNL, start: null }, 1).day, null);
  const half = { subaccounts: { ...BALANCE.subaccounts, 4: { cash: "1.0000", portfolio_value: null, seen_ms: 9 } } };
  const found = figuresOf(half, PNL, 0, new Set(["0", "4"]));
  assert.deepEqual([found.positions, found.equity], [null, null]);
  assert.equal(figuresOf(half, PNL, 0, new Set(["0"])).positions, 5_000_000);
});

test("a portfolio value that includes the cash is read as such", () => {
  const found = figuresOf(BALANCE, { ...PNL, value_includes_cash: true }, 0);
  assert.deepEqual([found.positions, found.equity], [-115_000_000, 9_000_000]);
});
