import assert from "node:assert/strict";
import { test } from "node:test";

import { fileFaults, markCells, readMark } from "../../../../static/js/rfq/maker/fair-model.js";
import { changesOf, replayLines, replayRow, versionLines } from "../../../../static/js/rfq/maker/history-model.js";
import { FIRST_TERMS } from "../../../../static/js/rfq/maker/rules-model.js";

const time = (/** @type {number} */ ms) => `t${ms}`;

test("a version says what it changed, who wrote it, why, and who armed it", () => {
  const wider = { ...FIRST_TERMS, edge_yes: "0.05", post_only: true, fair: "manual" };
  assert.deepEqual(changesOf(FIRST_TERMS, null), ["The first version."]);
  assert.deepEqual(changesOf(wider, FIRST_TERMS), [
    "Fair value: middle of the book → our own mark",
    "Edge of the YES bid: 2 → 5",
    "Post-only: no → yes",
  ]);
  assert.deepEqual(changesOf(FIRST_TERMS, { ...FIRST_TERMS }), ["The same terms again."]);
  const versions = [
    {
      number: 2,
      terms: wider,
      why: "news",
      made_by: { name: "Ada" },
      made_ms: 2,
      approved_by: null,
      approved_ms: null,
    },
    {
      number: 1,
      terms: FIRST_TERMS,
      why: "",
      made_by: null,
      made_ms: 1,
      approved_by: { name: "Lee" },
      approved_ms: 3,
    },
  ];
  const [second, first] = versionLines(versions, time);
  assert.deepEqual([second?.number, second?.who, second?.why, second?.armed], ["Version 2", "Ada, t2", "news", ""]);
  assert.deepEqual([first?.who, first?.why, first?.armed], ["somebody, t1", "no reason given", "armed by Lee, t3"]);
});

test("a replay says what would differ, and only the reasons that do", () => {
  const replay = {
    looked_at: 40,
    seen: 900,
    unreadable: 1,
    differ: 7,
    quoted: { before: 30, after: 25 },
    reasons: { before: { quoted: 30, too_big: 10 }, after: { quoted: 25, too_big: 10, no_fair: 5 } },
    accepts: { n: 3, kept: 2, doubtful: 1, lost: 0, paid_change: "0.1500" },
  };
  const lines = replayLines(replay);
  const text = Object.fromEntries(lines.map((line) => [line.what, line.text]));
  assert.equal(text["Looked at"], "40 decisions of 900 requests in the stream");
  assert.equal(text["Quoted"], "30 then, 25 now");
  assert.equal(text["Accepts"], "3: 2 kept, 1 at a worse price, 0 lost");
  assert.equal(text["no fair"], "0 then, 5 now");
  assert.equal("too big" in text, false);
  assert.equal(text["Could not be read"], "1");
  const quiet = { ...replay, unreadable: 0, accepts: { n: 0, kept: 0, doubtful: 0, lost: 0, paid_change: "0.0000" } };
  assert.equal(
    replayLines(quiet).some(({ what }) => what.startsWith("Accepts") || what.startsWith("Could")),
    false,
  );
  const row = {
    ticker: "KXA-1",
    before: { action: "quote", reason: "quoted", yes_bid: "0.4000", no_bid: "0.5600" },
    after: { action: "pass", reason: "no_fair", yes_bid: null, no_bid: null },
    accepted: { outcome: "lost" },
  };
  assert.deepEqual(
    replayRow(row, (raw) => raw),
    {
      ticker: "KXA-1",
      before: "0.4000 / 0.5600",
      after: "no fair",
      outcome: "lost",
    },
  );
});

test("a fair value is read in cents", () => {
  assert.deepEqual(readMark({ ticker: " kxa-1 ", cents: "5.25", hours: "2" }), {
    mark: { ticker: "KXA-1", yes: "0.0525", ends_in_s: 7200 },
    faults: {},
  });
  assert.equal(readMark({ ticker: "A", cents: "42¢", hours: "" }).mark["yes"], "0.4200");
  for (const cents of ["", "0", "0.00", "100", "x", "1.234"])
    assert.ok(readMark({ ticker: "A", cents, hours: "" }).faults["cents"], cents);
  assert.ok(readMark({ ticker: "", cents: "1", hours: "0" }).faults["ticker"]);
  assert.ok(readMark({ ticker: "", cents: "1", hours: "0" }).faults["hours"]);
});

test("marks and the faults of a file are told in words", () => {
  const row = { ticker: "A", yes: "0.4200", source: "file", set_by: { name: "Ada" }, ends_ms: 5 };
  assert.deepEqual(
    markCells(row, time, (raw) => raw),
    {
      ticker: "A",
      value: "0.4200",
      source: "from a file",
      by: "Ada",
      ends: "t5",
    },
  );
  assert.deepEqual(fileFaults({ 10: "b", 2: "a" }), ["Line 2: a", "Line 10: b"]);
  const many = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [String(at + 1), "bad"]));
  assert.equal(fileFaults(many).at(-1), "and 2 more lines");
});
