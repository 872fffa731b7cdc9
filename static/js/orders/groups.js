/** The page of order groups: live rows, their gauges, and what may be asked of them. */
import { desk } from "../frame/desk.js";
import { setText } from "../frame/dom.js";
import { announce } from "../frame/toasts.js";
import { watchFeed } from "../markets/live.js";
import { askGroup, changeLimit, createGroup } from "./group-actions.js";
import { groupsFrom } from "./group-model.js";
import { createGroupsView } from "./groups-view.js";

const DRAIN_MS = 200;

const root = /** @type {HTMLElement} */ (document.querySelector("[data-module='groups']"));
const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (root.querySelector(selector));
const { account = "", accountName = "", environment = "", ordersUrl = "" } = root.dataset;
const topic = `groups:${account}`;
/** What each group was a moment ago, to say aloud what has changed. @type {Map<string, string>} */
const states = new Map();

const view = createGroupsView(find("[data-groups]"), {
  now: desk.clock.now,
  mayPlace: desk.may("order.place"),
  mayCancel: desk.may("order.cancel"),
  ordersUrl,
  onDeed: (deed, group) => (deed === "limit" ? changeLimit(group) : void askGroup(deed, group)),
});

function show() {
  const state = desk.topics.peek(topic);
  const orders = desk.topics.peek(`orders:${account}`);
  if (!state || state.version < 0) return;
  const groups = groupsFrom(state.rows.values(), orders && orders.version >= 0 ? orders.rows.values() : null);
  view.show(groups);
  find("[data-groups]").hidden = groups.length === 0;
  find("[data-empty]").hidden = groups.length > 0 || !state.isFresh;
  find("[data-waiting]").hidden = state.isFresh || groups.length > 0;
  root.toggleAttribute("data-old", !state.isFresh);
  for (const group of groups) {
    const before = states.get(group.key);
    if (before !== undefined && before !== group.state) announce(`${group.title}: ${group.stateWords}.`);
    states.set(group.key, group.state);
  }
  const used = groups.filter((group) => !group.isOver).length;
  setText(find("[data-count]"), used ? String(used) : "");
}

desk.topics.watch(topic, show);
desk.topics.watch(`orders:${account}`, show);
setInterval(() => {
  if (!document.hidden) view.tick();
}, DRAIN_MS);

const where = `account ${accountName}, subaccount ${desk.data.subaccount}`;
for (const button of root.querySelectorAll("[data-create]")) button.addEventListener("click", () => createGroup(where));
if (desk.may("order.place"))
  desk.keys.register({ keys: "n", label: "New order group", group: "Order groups", run: () => createGroup(where) });
watchFeed(root, environment);
