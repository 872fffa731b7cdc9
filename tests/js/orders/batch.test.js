import assert from "node:assert/strict";
import { test } from "node:test";
import {
  batchParams,
  changesSince,
  goodLines,
  plainNumber,
  readLine,
  repeats,
  sizeProblem,
  sums,
  withDryRun,
} from "../../../static/js/orders/batch-model.js";
import { readTableFile } from "../../../static/js/orders/batch-file.js";
import { findDelimiter, parseTable, readRecords, tableWords } from "../../../static/js/orders/batch-parse.js";

const HOW = { hasDecimalComma: false, zone: "UTC", groups: [{ groupId: "g-1", title: "Fed" }] };
/** @param {Record<string, string>} cells */
const line = (cells) => readLine({ number: 3, cells }, HOW);
const GOOD = { ticker: "KXA-1", side: "buy yes", price: "52.5", count: "1,000" };

test("the delimiter is what every line has; quoted cells do not count", () => {
  assert.equal(findDelimiter("a\tb,c\nd\te"), "\t");
  assert.equal(findDelimiter("a;52,5\nb;53,5"), ";");
  assert.equal(findDelimiter('"a;b",c\nd,e'), ",");
  assert.equal(findDelimiter("KXA buy_yes 52 10"), "");
});

test("quoted cells hold delimiters, quotes and line ends; numbers are of the text's lines", () => {
  assert.deepEqual(readRecords('a,"b, ""c""\nd"\n\ne,f\n', ","), [
    { number: 1, cells: ["a", 'b, "c"\nd'] },
    { number: 4, cells: ["e", "f"] },
  ]);
  assert.deepEqual(readRecords("KXA   buy_yes 52", ""), [{ number: 1, cells: ["KXA", "buy_yes", "52"] }]);
});

test("a header is found by its names, in any order, and unknown columns are named", () => {
  const table = parseTable("\uFEFFQty;Market;Note;Side;Price\r\n10;KXA;x;buy yes;52,5\r\n1.000;KXB;;sell no;3\r\n");
  assert.equal(table.problem, "");
  assert.equal(table.hasHeader, true);
  assert.equal(table.hasDecimalComma, true);
  assert.deepEqual(table.unused, ["Note"]);
  assert.deepEqual(table.lines[1], {
    number: 3,
    cells: { count: "1.000", ticker: "KXB", side: "sell no", price: "3" },
  });
  assert.equal(
    tableWords(table),
    "Read as columns by semicolons; with a header; numbers like 1.000,5; not used: Note.",
  );
});

test("without a header the columns have a fixed order", () => {
  const table = parseTable("KXA\tbuy_no\t0.40\t5\tIOC");
  assert.equal(table.hasHeader, false);
  assert.deepEqual(table.lines[0]?.cells["terms"], "IOC");
});

test("what cannot be a table says why", () => {
  assert.equal(parseTable("  \n").problem, "Paste a table first.");
  assert.equal(parseTable("ticker,side\n").problem, "There is a header and no line under it.");
  assert.equal(parseTable("ticker,market,side\na,b,c").problem, "Two columns are both the ticker.");
  assert.match(parseTable("a,buy yes,5,5,,,,,,,more").problem, /Line 1 has more columns than are known/);
});

test("numbers are read as the table writes them", () => {
  assert.equal(plainNumber("1,000.5", false), "1000.5");
  assert.equal(plainNumber("1.000,5", true), "1000.5");
  assert.equal(plainNumber("12 500", false), "12500");
  assert.equal(plainNumber("52,5", true), "52.5");
});

test("a line becomes an order of exact values", () => {
  const read = line({ ...GOOD, terms: "IOC", post_only: "no", reduce_only: "x", group: "fed", expires_at: "" });
  assert.deepEqual(read.faults, []);
  assert.deepEqual(read.item, {
    ticker: "KXA-1",
    side: "buy_yes",
    price: "0.5250",
    count: "1000.00",
    time_in_force: "immediate_or_cancel",
    reduce_only: true,
    order_group_id: "g-1",
  });
  assert.equal(line({ ...GOOD, side: "sell", outcome: "NO" }).item?.["side"], "sell_no");
  assert.equal(line({ ...GOOD, expires_at: "2026-11-30 15:00" }).item?.["expires_at"], "2026-11-30T15:00:00.000Z");
});

test("columns that name their unit are read in it", () => {
  const rest = { ticker: "KXA-1", side: "buy yes", count: "1,000" };
  assert.equal(line({ ...rest, price_cents: "0.5" }).item?.["price"], "0.0050");
  assert.equal(line({ ...rest, price_dollars: "0.5" }).item?.["price"], "0.5000");
});

test("each fault names its field, all of a line at once", () => {
  const read = line({
    ticker: "",
    side: "hold",
    price: "152",
    count: "few",
    terms: "DAY",
    expires_at: "soon",
    post_only: "perhaps",
    group: "none such",
  });
  assert.equal(read.item, null);
  assert.deepEqual(
    read.faults.map(({ field }) => field),
    ["ticker", "side", "price", "count", "terms", "expires_at", "post_only", "group"],
  );
  assert.match(read.faults[1]?.text ?? "", /“hold” is not a side/);
});

test("the dry run's answers go to the lines that were asked about", () => {
  const lines = [1, 2, 3].map((number) => ({ ...line(number === 2 ? { ...GOOD, count: "x" } : GOOD), number }));
  const told = [
    { line: 1, ok: true, cost: "525.000000", fee: "17.500000", worst_case: "542.500000", error: null },
    { line: 2, ok: false, cost: null, fee: null, worst_case: null, error: { text: "No.", fields: { count: "Over." } } },
  ];
  const read = withDryRun(lines, told);
  assert.deepEqual(
    read.map(({ faults }) => faults[0]?.text ?? ""),
    ["", "“x” is not a number of contracts.", "Over."],
  );
  assert.deepEqual(
    goodLines(read).map(({ number }) => number),
    [1],
  );
  assert.deepEqual(sums(read), { cost: 525_000_000, fee: 17_500_000, worst: 542_500_000 });
  const later = withDryRun(
    lines,
    [
      { ...told[0], fee: "18.000000" },
      { ...told[1], error: null, ok: true },
    ].map((each) => /** @type {any} */ (each)),
  );
  assert.deepEqual(changesSince(read, later), ["line 1: cost or fee changed", "line 3 can be sent now"]);
  assert.deepEqual(changesSince(read, read), []);
});

test("a batch carries a key per line, and is not larger than the desk takes", () => {
  const lines = [line(GOOD)];
  const where = { account: 4, subaccount: 0, batchKey: "b", keyOf: () => "k" };
  assert.deepEqual(batchParams(lines, where), {
    batch_key: "b",
    items: [{ ...lines[0]?.item, account_id: 4, subaccount: 0, idempotency_key: "k" }],
  });
  assert.equal(sizeProblem(lines, batchParams(lines, where)), "");
  // What the dry run showed of a line goes with it.
  const told = withDryRun(lines, [
    { line: 1, ok: true, cost: "1.000000", fee: null, worst_case: null, error: null, shown: "a.b" },
  ]);
  assert.equal(batchParams(told, where).items[0]?.["shown"], "a.b");
  const many = Array.from({ length: 101 }, (_, at) => ({ ...line(GOOD), number: at + 2 }));
  assert.equal(sizeProblem(many, {}), "101 lines: at most 100 go at once. Take off line 102 and what follows.");
  assert.match(sizeProblem(lines, { items: "x".repeat(40_000) }), /too large for one batch/);
});

test("a file that is no table says so, one of a spreadsheet's Unicode text is read", () => {
  const bytes = (/** @type {number[]} */ ...values) => new Uint8Array(values).buffer;
  assert.deepEqual(readTableFile(new TextEncoder().encode("\uFEFFa;b\r\n").buffer), { text: "a;b\r\n" });
  assert.deepEqual(readTableFile(bytes(0xff, 0xfe, 0x41, 0, 0x09, 0, 0xe9, 0)), { text: "A\té" });
  for (const wrong of [bytes(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a), bytes(0x50, 0x4b, 3, 4), bytes(0x41, 0, 0x42)]) {
    const read = readTableFile(wrong);
    assert.ok("error" in read && read.error.includes("save it as CSV"));
  }
  assert.deepEqual(readTableFile(bytes()), { error: "is empty." });
});

test("an order that is to expire says when, and on a day that exists", () => {
  const faults = (/** @type {Record<string, string>} */ cells) =>
    line({ ...GOOD, ...cells }).faults.map((f) => f.field);
  assert.deepEqual(faults({ terms: "GTD" }), ["expires_at"]);
  assert.deepEqual(faults({ terms: "GTD", expires_at: "2026-02-30 10:00" }), ["expires_at"]);
  assert.deepEqual(faults({ terms: "GTD", expires_at: "2026-02-30T10:00Z" }), ["expires_at"]);
  assert.deepEqual(faults({ terms: "GTD", expires_at: "2028-02-29T10:00:30Z" }), []);
  assert.deepEqual(faults({ terms: "GTC" }), []);
});

test("spaces only leave a number between its thousands", () => {
  assert.equal(plainNumber("12 345 678", false), "12345678");
  assert.deepEqual([plainNumber("1,000", true), plainNumber("0,125", true)], ["1000", "0.125"]);
  assert.equal(plainNumber("5 2", false), "5 2");
  assert.deepEqual(line({ ...GOOD, price: "5 2" }).item, null);
});

test("a line that says the same as an earlier one is named", () => {
  const lines = [
    readLine({ number: 1, cells: GOOD }, HOW),
    readLine({ number: 2, cells: { ...GOOD, count: "5" } }, HOW),
    readLine({ number: 4, cells: { ...GOOD, count: "1000" } }, HOW),
    readLine({ number: 5, cells: { ...GOOD, side: "?" } }, HOW),
  ];
  assert.deepEqual([...repeats(lines)], [[4, 1]]);
});
