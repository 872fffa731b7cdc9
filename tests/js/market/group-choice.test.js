import assert from "node:assert/strict";
import { test } from "node:test";
import { groupChoices, groupProblem } from "../../../static/js/market/group-choice.js";

/** @param {string} groupId @param {string} state @param {Record<string, any>} [over] @returns {any} */
const group = (groupId, state, over = {}) => ({
  groupId,
  title: `Group ${groupId}`,
  state,
  stateWords: state,
  isUsable: state === "active",
  subaccount: 0,
  ...over,
});
const GROUPS = [
  group("a", "active"),
  group("t", "triggered"),
  group("d", "deleted"),
  group("s", "active", { subaccount: 1 }),
];

test("no group, the groups of the subaccount that may be used, and triggered ones with their state are offered", () => {
  assert.deepEqual(groupChoices(GROUPS, { subaccount: 0, chosen: "" }), [
    { value: "", text: "No group" },
    { value: "a", text: "Group a" },
    { value: "t", text: "Group t (triggered)" },
  ]);
});

test("a chosen group stays chosen when it ends, and says so", () => {
  const offered = groupChoices(GROUPS, { subaccount: 0, chosen: "d" });
  assert.deepEqual(offered.at(-1), { value: "d", text: "Group d (deleted)" });
  assert.deepEqual(groupChoices([], { subaccount: 0, chosen: "x" }).at(-1), {
    value: "x",
    text: "a group that is gone",
  });
});

test("an order into a group that takes none is refused in words, and never goes without its group", () => {
  assert.equal(groupProblem(GROUPS, ""), "");
  assert.equal(groupProblem(GROUPS, "a"), "");
  assert.match(groupProblem(GROUPS, "t"), /is triggered and takes no order. Reset it/);
  assert.match(groupProblem(GROUPS, "d"), /is deleted/);
  assert.match(groupProblem(GROUPS, "x"), /not in this account/);
});
