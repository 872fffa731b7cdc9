/** The line under the ladder's bar: the order group that clicks on the ladder go into, its gauge, trigger and reset. */
import { setAttribute, setText } from "../frame/dom.js";
import { askGroup } from "../orders/group-actions.js";
import { gaugeAt } from "../orders/group-model.js";
import { fillGroupSelect, groupProblem } from "./group-choice.js";

const DRAIN_MS = 200;

/**
 * @param {HTMLElement} line
 * @param {{account: string, subaccount: number, now: () => number, storage: Pick<Storage, "getItem" | "setItem">}} options
 */
export function createLadderGroups(line, { account, subaccount, now, storage }) {
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (line.querySelector(selector));
  const select = /** @type {HTMLSelectElement} */ (find("select"));
  const gauge = /** @type {HTMLProgressElement} */ (find("progress"));
  const storageKey = `ladder-group:${account}:${subaccount}`;
  /** @type {import("../orders/group-model.js").Group[]} */
  let groups = [];
  let chosen = storage.getItem(storageKey) ?? "";

  const group = () => groups.find((each) => each.groupId === chosen);
  const problem = () => groupProblem(groups, chosen);

  function draw() {
    line.hidden = !chosen && !groups.some((each) => each.isUsable && each.subaccount === subaccount);
    fillGroupSelect(select, groups, subaccount, chosen);
    const known = group();
    for (const part of line.querySelectorAll("[data-of-group]")) /** @type {HTMLElement} */ (part).hidden = !known;
    setText(find("[data-group-said]"), problem() || (known?.actionWords ?? ""));
    for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (line.querySelectorAll("[data-group-deed]")))
      button.disabled = !known || known.isOver;
    drain();
  }

  function drain() {
    const known = group();
    if (!known) return;
    const at = gaugeAt(known, now());
    if (gauge.max !== at.max) gauge.max = at.max;
    if (gauge.value !== at.use) gauge.value = Math.min(at.use, at.max);
    setAttribute(gauge, "data-level", at.level);
    setText(find("[data-group-use]"), at.words);
  }

  select.addEventListener("change", () => {
    chosen = select.value;
    storage.setItem(storageKey, chosen);
    draw();
  });
  line.addEventListener("click", (event) => {
    const deed = /** @type {Element} */ (event.target).closest("[data-group-deed]")?.getAttribute("data-group-deed");
    const known = group();
    if (deed && known) void askGroup(/** @type {"trigger" | "reset"} */ (deed), known);
  });
  setInterval(() => {
    if (!document.hidden && !line.hidden) drain();
  }, DRAIN_MS);

  return {
    /** @param {import("../orders/group-model.js").Group[]} rows */
    show(rows) {
      groups = rows;
      draw();
    },
    /** The exchange's id of the group that the ladder's orders go into; "": none. */
    get groupId() {
      return chosen;
    },
    get problem() {
      return problem();
    },
    get title() {
      return group()?.title ?? "";
    },
  };
}
