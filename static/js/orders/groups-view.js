/** The list of order groups: one line each, its gauge drained by our own timer between two frames. */
import { element, setAttribute, setText } from "../frame/dom.js";
import { gaugeAt, sortGroups } from "./group-model.js";

/** @typedef {import("./group-model.js").Group} Group */
/** @typedef {"trigger" | "reset" | "limit" | "delete"} Deed */

/** @type {[Deed, string, string][]} */
const DEEDS = [
  ["trigger", "Trigger", "Cancels its orders; it takes none until it is reset"],
  ["reset", "Reset", "Counts from zero and takes orders again"],
  ["limit", "Limit", "Contracts that may trade in 15 s"],
  ["delete", "Delete", "Cancels its orders and removes the group"],
];
const SAFE = new Set(["trigger", "delete"]);

/**
 * @param {HTMLElement} list
 * @param {object} options
 * @param {() => number} options.now Unix ms by the server's clock
 * @param {boolean} options.mayPlace reset and limit
 * @param {boolean} options.mayCancel trigger and delete
 * @param {string} options.ordersUrl
 * @param {(deed: Deed, group: Group) => void} options.onDeed
 */
export function createGroupsView(list, { now, mayPlace, mayCancel, ordersUrl, onDeed }) {
  /** @type {Map<string, {node: HTMLElement, group: Group}>} */
  const lines = new Map();
  const part = (/** @type {HTMLElement} */ node, /** @type {string} */ name) =>
    /** @type {HTMLElement} */ (node.querySelector(`[data-part="${name}"]`));

  list.addEventListener("click", (event) => {
    const button = /** @type {Element} */ (event.target).closest("[data-deed]");
    const key = button?.closest("[data-key]")?.getAttribute("data-key");
    const line = key ? lines.get(key) : undefined;
    if (button && line) onDeed(/** @type {Deed} */ (button.getAttribute("data-deed")), line.group);
  });

  /** @param {Group} group */
  function lineOf(group) {
    const named = (/** @type {string} */ tag, /** @type {string} */ name, css = "", attributes = {}) =>
      element(tag, { class: css, attributes: { "data-part": name, ...attributes } });
    const deeds = DEEDS.filter(([deed]) => (SAFE.has(deed) ? mayCancel : mayPlace)).map(([deed, words, title]) =>
      element("button", {
        class: `button button--small ${SAFE.has(deed) ? "button--danger" : ""}`.trim(),
        text: words,
        attributes: { type: "button", "data-deed": deed, title, "aria-label": `${words}: ${group.title}` },
      }),
    );
    return element("li", { class: "group", attributes: { "data-key": group.key } }, [
      element("div", { class: "group__what" }, [
        named("strong", "title", "group__title"),
        named("span", "state", "badge"),
        named("span", "id", "group__id muted"),
      ]),
      element("div", { class: "group__use" }, [
        named("progress", "gauge", "gauge", { "aria-label": `Use of ${group.title}` }),
        named("span", "use", "num"),
        named("span", "drains", "muted num"),
      ]),
      element("a", { class: "link group__orders num", attributes: { "data-part": "orders", href: ordersUrl } }),
      element("div", { class: "group__deeds" }, deeds),
      named("p", "said", "group__said"),
    ]);
  }

  /** @param {HTMLElement} node @param {Group} group */
  function draw(node, group) {
    setAttribute(node, "data-state", group.state);
    setText(part(node, "title"), group.title);
    setText(part(node, "state"), group.stateWords);
    setAttribute(part(node, "state"), "class", `badge badge--${group.tone}`);
    setText(part(node, "id"), [group.groupId, group.place].filter(Boolean).join(" · "));
    const words = group.working === 1 ? "1 working order" : `${group.working.toLocaleString("en")} working orders`;
    setText(part(node, "orders"), words);
    const said = group.state === "triggered" ? "Its orders were cancelled. It takes none until it is reset." : "";
    setText(part(node, "said"), [said, group.actionWords].filter(Boolean).join(" "));
    for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (node.querySelectorAll("[data-deed]"))) {
      const isReset = button.dataset["deed"] === "reset";
      button.disabled = group.isOver || !group.groupId || (group.isOpen && !SAFE.has(button.dataset["deed"] ?? ""));
      if (isReset) button.classList.toggle("button--primary", group.state === "triggered");
    }
    drain(node, group);
  }

  /** @param {HTMLElement} node @param {Group} group */
  function drain(node, group) {
    const gauge = gaugeAt(group, now());
    const bar = /** @type {HTMLProgressElement} */ (part(node, "gauge"));
    if (bar.max !== gauge.max) bar.max = gauge.max;
    if (bar.value !== gauge.use) bar.value = Math.min(gauge.use, gauge.max);
    setAttribute(bar, "data-level", gauge.level);
    setText(part(node, "use"), gauge.words);
    setText(part(node, "drains"), gauge.drains);
  }

  return {
    /** @param {Group[]} groups */
    show(groups) {
      const sorted = sortGroups(groups);
      const kept = new Set(sorted.map(({ key }) => key));
      for (const key of lines.keys()) if (!kept.has(key)) lines.delete(key);
      const nodes = sorted.map((group) => {
        const node = lines.get(group.key)?.node ?? lineOf(group);
        lines.set(group.key, { node, group });
        draw(node, group);
        return node;
      });
      const isSame = nodes.length === list.children.length && nodes.every((node, at) => list.children[at] === node);
      if (!isSame) list.replaceChildren(...nodes);
    },
    /** The window rolls on while no frame comes. */
    tick: () => lines.forEach(({ node, group }) => drain(node, group)),
  };
}
