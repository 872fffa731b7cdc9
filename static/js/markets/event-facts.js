/** What the exchange tells of the event beside its markets: competition, scope, what settles it. Text and checked links. */
import { element, setText } from "../frame/dom.js";

/** @typedef {{name: string, url: string, host: string}} Source url: https, or "" */
/** @typedef {{competition: string, scope: string, sources: Source[], has_pictures: boolean}} Metadata */

const root = /** @type {HTMLElement} */ (document.querySelector("[data-module='event']"));

/** @param {Metadata} facts */
function show(facts) {
  for (const name of /** @type {const} */ (["competition", "scope"])) {
    for (const node of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll(`[data-fact="${name}"]`))) {
      node.hidden = facts[name] === "";
      if (node.tagName === "DD") setText(node, facts[name]);
    }
  }
  const box = root.querySelector("[data-sources]");
  // What the event itself names goes before what its series names.
  if (box && facts.sources.length) {
    box.replaceChildren(
      ...facts.sources.flatMap((source, at) => (at ? [", ", ...sourceNodes(source)] : sourceNodes(source))),
    );
  }
  say(
    facts.has_pictures
      ? "The exchange has pictures of this event. Nothing is loaded from outside, so they are not shown."
      : "",
  );
}

/** @param {Source} source */
function sourceNodes({ name, url, host }) {
  if (!url.startsWith("https://")) return [name];
  const attributes = { href: url, rel: "noopener noreferrer", target: "_blank" };
  return [
    element("a", { class: "link", text: name, attributes }),
    " ",
    element("span", { class: "muted", text: host }),
  ];
}

/** @param {string} words */
function say(words) {
  const note = /** @type {HTMLElement | null} */ (root.querySelector("[data-facts-note]"));
  setText(note, words);
  if (note) note.hidden = words === "";
}

async function load() {
  try {
    const response = await fetch(root.dataset["metadataUrl"] ?? "", { headers: { Accept: "application/json" } });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(answer.error ?? `The desk answered ${response.status}.`);
    show(answer);
  } catch (problem) {
    say(`${problem instanceof Error ? problem.message : "No details."} What is shown is of the series.`);
  }
}

void load();
