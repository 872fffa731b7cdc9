import assert from "node:assert/strict";
import { test } from "node:test";

import {
  badge,
  bellLabel,
  ownPage,
  permissionWords,
  spoken,
  standing,
  titleOf,
} from "../../../static/js/alerts/bell-model.js";

/** @param {Partial<import("../../../static/js/alerts/bell-model.js").AlertRow>} over */
const row = (over = {}) => ({
  id: 1,
  level: "info",
  title: "Filled: KX-1",
  text: "",
  link: "/orders/",
  at_ms: 0,
  count: 1,
  is_unread: true,
  is_over: false,
  is_acknowledged: false,
  ...over,
});
/** @param {ReturnType<typeof row>[]} newest */
const news = (...newest) => ({ unread: newest.length, newest, show: [] });

test("the bell counts to 99 and says so in words", () => {
  assert.deepEqual([0, 1, 99, 100].map(badge), ["", "1", "99", "99+"]);
  assert.equal(bellLabel(0), "Notifications");
  assert.equal(bellLabel(1), "Notifications, 1 new alert");
  assert.equal(bellLabel(100), "Notifications, more than 99 new alerts");
});

test("an alert that gathered more says how many", () => {
  assert.equal(titleOf(row()), "Filled: KX-1");
  assert.equal(titleOf(row({ count: 1_501 })), "Filled: KX-1 and 1,500 more");
});

test("over comes before acknowledged, and both before new", () => {
  assert.equal(standing(row()), "new");
  assert.equal(standing(row({ is_acknowledged: true })), "done");
  assert.equal(standing(row({ is_over: true, is_acknowledged: true })), "over");
  assert.equal(standing(row({ is_unread: false })), "");
});

test("a page that loads says nothing; what comes or grows is spoken once", () => {
  const first = news(row());
  assert.equal(spoken(null, first), "");
  assert.equal(spoken(first, news(row())), "");
  assert.equal(spoken(first, news(row({ id: 2, title: "Kill switch pulled" }), row())), "Alert: Kill switch pulled");
  assert.equal(spoken(first, news(row({ count: 3 }))), "Alert: Filled: KX-1 and 2 more");
});

test("a link leads to a page of this desk or to the list", () => {
  assert.equal(ownPage("/orders/intent:4/"), "/orders/intent:4/");
  for (const bad of ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", ""]) {
    assert.equal(ownPage(bad), "/alerts/");
  }
});

test("what the browser allows is said in words, whatever it answers", () => {
  assert.match(permissionWords("granted"), /shows/);
  assert.match(permissionWords("denied"), /blocked/);
  assert.match(permissionWords("of-tomorrow"), /no notifications/);
});
