import assert from "node:assert/strict";
import { test } from "node:test";

import {
  decidedWords,
  leftWords,
  mentionsOf,
  receivers,
  thresholdWords,
  waiting,
} from "../../../static/js/rfq/team-bar-model.js";

const approval = (over = {}) => ({
  key: "approval:1",
  hash: "h",
  title: "Fed: 4.00",
  text: "Ask for quotes on 100 contracts",
  words: "100 contracts are more than 50: a second person has to approve it.",
  is_open: true,
  expires_ms: 10_000,
  asked_by: { id: 7, name: "Anna" },
  ...over,
});

test("a lead approves what others ask, and never what they asked themselves", () => {
  const lead = { person: "9", mayManage: true, nowMs: 0 };

  const [others] = waiting([approval()], lead);
  const [own] = waiting([approval({ asked_by: { id: 9, name: "Lea" } })], lead);

  assert.deepEqual([others?.mayApprove, others?.end, others?.who], [true, "Decline", "Anna asks"]);
  assert.deepEqual([own?.mayApprove, own?.end, own?.who], [false, "Withdraw", "You asked"]);
});

test("a quoter can end what is theirs and nothing else", () => {
  const rows = [approval(), approval({ key: "approval:2", asked_by: { id: 8, name: "Bo" } })];

  const open = waiting(rows, { person: "7", mayManage: false, nowMs: 0 });

  assert.deepEqual(
    open.map(({ mayApprove, mayEnd }) => [mayApprove, mayEnd]),
    [
      [false, true],
      [false, false],
    ],
  );
});

test("what has run out or was decided is not shown, what ends first stands first", () => {
  const rows = [
    approval({ key: "late", expires_ms: 9_000 }),
    approval({ key: "soon", expires_ms: 6_000 }),
    approval({ key: "over", expires_ms: 5_000 }),
    approval({ key: "used", is_open: false }),
    { key: "threshold", contracts: null, cost: null },
  ];

  const open = waiting(rows, { person: "7", mayManage: true, nowMs: 5_000 });

  assert.deepEqual(
    open.map(({ key, left }) => [key, left]),
    [
      ["soon", "1 s"],
      ["late", "4 s"],
    ],
  );
  assert.equal(leftWords(61_000), "1:01");
});

test("the threshold is said in contracts, dollars, or as off", () => {
  assert.equal(
    thresholdWords({ contracts: "50.00", cost: "1200.000000" }),
    "Four eyes above 50 contracts or $1,200.00",
  );
  assert.equal(thresholdWords({ contracts: null, cost: null }), "Four eyes: off");
  assert.equal(thresholdWords(undefined), "Four eyes");
});

test("a mention of me is told once, and not when I wrote it", () => {
  const seen = /** @type {Set<number>} */ (new Set());
  const comment = (/** @type {number} */ id, /** @type {number} */ by, /** @type {{id: number}[]} */ mentions) => ({
    id,
    by: { id: by, name: `p${by}` },
    text: "look",
    mentions,
  });
  const rows = [{ comments: [comment(1, 8, [{ id: 7 }]), comment(2, 7, [{ id: 7 }]), comment(3, 8, [{ id: 9 }])] }];

  assert.deepEqual(mentionsOf(rows, { person: "7", seen }), [{ by: "p8", text: "look" }]);
  assert.deepEqual(mentionsOf(rows, { person: "7", seen }), []);
});

test("only members who may trade receive it, and not its owner", () => {
  const members = [
    { id: 1, username: "a", may_trade: true },
    { id: 2, username: "b", may_trade: false },
    { id: 3, username: "c", may_trade: true },
  ];

  assert.deepEqual(
    receivers(members, { owner: { id: 1 } }).map(({ username }) => username),
    ["c"],
  );
});

test("an approval that was not carried out is said to be not sent", () => {
  assert.equal(decidedWords({ state: "used", text: "x", words: "" }).title, "Approved and sent");
  assert.equal(decidedWords({ state: "declined", words: "Approved, not carried out: moved" }).title, "Not sent");
  assert.equal(decidedWords({ state: "declined", words: "too large" }).title, "Declined");
});
