import assert from "node:assert/strict";
import { test } from "node:test";
import {
  actionQuestion,
  gaugeAt,
  groupFrom,
  groupTitles,
  groupsFrom,
  readLimit,
  sortGroups,
  useAt,
} from "../../../static/js/orders/group-model.js";

const NOW = 1_000_000;
/** @param {Record<string, any>} [over] */
const row = (over = {}) => ({
  key: "group:1",
  group_id: "0190-aaaa-bbbb",
  name: "Fed hedge",
  limit: "100.00",
  recent: [],
  window_ms: 15_000,
  subaccount: 0,
  working: 2,
  state: "active",
  is_usable: true,
  action: "",
  action_text: "",
  ...over,
});

test("the use of a group falls as its window rolls on, without any frame", () => {
  const group = groupFrom(
    row({
      recent: [
        [NOW - 14_000, "40.00"],
        [NOW - 1_000, "10.50"],
      ],
    }),
  );

  assert.deepEqual(useAt(group, NOW), { use: 5_050, emptyInMs: 14_000 });
  assert.deepEqual(useAt(group, NOW + 999), { use: 5_050, emptyInMs: 13_001 });
  assert.deepEqual(useAt(group, NOW + 1_000), { use: 1_050, emptyInMs: 13_000 });
  assert.deepEqual(useAt(group, NOW + 14_000), { use: 0, emptyInMs: 0 });
});

test("the gauge says use, limit and when it is empty again", () => {
  const group = groupFrom(row({ recent: [[NOW - 10_000, "75.00"]] }));
  assert.deepEqual(gaugeAt(group, NOW), {
    use: 7_500,
    max: 10_000,
    level: "high",
    words: "75 of 100 in 15 s",
    drains: "empty in 5 s",
  });
  assert.equal(gaugeAt(groupFrom(row({ recent: [[NOW, "100.00"]] })), NOW).level, "full");
  assert.equal(gaugeAt(groupFrom(row({ recent: [[NOW, "74.99"]] })), NOW).level, "ok");
  assert.equal(gaugeAt(groupFrom(row({ limit: null })), NOW).words, "0 limit not known in 15 s");
});

test("a group whose last action has no outcome yet is in doubt, in words", () => {
  const text = "Reset: sent, not confirmed by the exchange";
  const group = groupFrom(row({ state: "triggered", is_usable: false, action: "unknown", action_text: text }));
  assert.equal(group.stateWords, "triggered, in doubt");
  assert.equal(group.tone, "unknown");
  assert.equal(group.actionWords, text);
  assert.equal(group.isOpen, true);
  assert.equal(groupFrom(row({ action: "done", action_text: "Reset: done" })).actionWords, "");
});

test("resting orders are counted from the orders themselves, once they are known", () => {
  const orders = [
    { order_group_id: "0190-aaaa-bbbb", state: "resting" },
    { order_group_id: "0190-aaaa-bbbb", state: "canceled" },
    { order_group_id: "", state: "resting" },
  ];
  assert.equal(groupsFrom([row()], orders)[0]?.working, 1);
  assert.equal(groupsFrom([row()], [])[0]?.working, 0);
  assert.equal(groupsFrom([row()], null)[0]?.working, 2);
});

test("a group without a name goes by its id", () => {
  assert.equal(groupFrom(row({ name: "" })).title, "Group 0190-aaa");
  assert.equal(groupFrom(row({ name: "", group_id: "" })).title, "Unnamed group");
});

test("what needs a look comes first, what is over last", () => {
  const groups = [
    groupFrom(row({ key: "group:1", name: "b" })),
    groupFrom(row({ key: "group:2", name: "a" })),
    groupFrom(row({ key: "group:3", name: "over", state: "deleted" })),
    groupFrom(row({ key: "group:4", name: "hit", state: "triggered" })),
    groupFrom(row({ key: "group:5", name: "doubt", action: "unknown" })),
  ];
  assert.deepEqual(
    sortGroups(groups).map(({ title }) => title),
    ["doubt", "hit", "a", "b", "over"],
  );
});

test("a limit is read as it is typed", () => {
  assert.deepEqual(readLimit("1,500"), { limit: "1500.00" });
  assert.deepEqual(readLimit("2k"), { limit: "2000.00" });
  assert.deepEqual(readLimit("0.5"), { error: "Give at least one contract." });
  assert.ok("error" in readLimit("many"));
});

test("trigger and delete say how many orders they cancel", () => {
  assert.match(actionQuestion("trigger", groupFrom(row())).text, /cancels its 2 working orders/);
  assert.match(actionQuestion("delete", groupFrom(row({ working: 1 }))).text, /cancels its 1 working order and/);
  assert.equal(actionQuestion("reset", groupFrom(row())).isDanger, false);
});

test("a group made elsewhere says so, and that its subaccount is not known", () => {
  assert.equal(groupFrom(row()).place, "");
  assert.equal(groupFrom(row({ subaccount: 2 })).place, "subaccount 2");
  assert.equal(groupFrom(row({ name: "", subaccount: 0 })).place, "made elsewhere, subaccount 0");
  assert.equal(groupFrom(row({ name: "", subaccount: null })).place, "made elsewhere, its subaccount is not known");
  assert.equal(groupFrom(row({ name: "", group_id: "", subaccount: 0 })).place, "");
});

test("groups of one name are told apart by their ids", () => {
  const titles = groupTitles([row(), row({ group_id: "0191-cccc", name: "Other" }), row({ group_id: "0192-dddd" })]);

  assert.deepEqual(
    [...titles],
    [
      ["0190-aaaa-bbbb", "Fed hedge (0190-aaa)"],
      ["0191-cccc", "Other"],
      ["0192-dddd", "Fed hedge (0192-ddd)"],
    ],
  );
});
