/** Choose a market by typing: the desk's own search, arrows and Enter. */
import { moveSelection } from "../core/palette-model.js";
import { element } from "../frame/dom.js";

const PAUSE_MS = 120;

/** @typedef {{ticker: string, title: string}} Found */

/**
 * @param {HTMLElement} field holds the input, its list and the line with what is chosen
 * @param {{url: string, onChoose: (market: Found | null) => void}} options
 */
export function createMarketSearch(field, { url, onChoose }) {
  const input = /** @type {HTMLInputElement} */ (field.querySelector("input"));
  const list = /** @type {HTMLElement} */ (field.querySelector("[role=listbox]"));
  const line = /** @type {HTMLElement} */ (field.querySelector("[data-chosen]"));
  /** @type {Found[]} */
  let found = [];
  let at = -1;
  /** @type {AbortController | null} */
  let search = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let pause;
  /** @type {Found | null} */
  let chosen = null;

  function close() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  /** @param {string} [words] said when nothing is found */
  function draw(words = "") {
    list.replaceChildren(
      ...found.map((market, index) =>
        element(
          "div",
          {
            class: "ask-ticket__option",
            attributes: {
              role: "option",
              id: `ask-found-${index}`,
              "data-index": String(index),
              "aria-selected": String(index === at),
            },
          },
          [
            element("span", { class: "truncate", text: market.title }),
            element("small", { class: "muted", text: market.ticker }),
          ],
        ),
      ),
    );
    if (!found.length && words) list.append(element("p", { class: "ask-ticket__nothing muted", text: words }));
    list.hidden = list.childElementCount === 0;
    input.setAttribute("aria-expanded", String(!list.hidden));
    if (at >= 0) {
      input.setAttribute("aria-activedescendant", `ask-found-${at}`);
      list.children[at]?.scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  }

  async function run() {
    search?.abort();
    const text = input.value.trim();
    if (!text) {
      found = [];
      return close();
    }
    search = new AbortController();
    try {
      const response = await fetch(`${url}?q=${encodeURIComponent(text)}`, { signal: search.signal });
      const body = response.ok ? await response.json() : { markets: [] };
      // Whole events are found as well; a request is on one market.
      found = body.markets.filter((/** @type {{url: string}} */ one) => !one.url.includes("/events/"));
      at = found.length ? 0 : -1;
      return draw(`No market found for “${text}”.`);
    } catch (error) {
      if (/** @type {Error} */ (error).name === "AbortError") return undefined;
      found = [];
      return draw("The search did not answer. Type again.");
    }
  }

  /** @param {Found | null} market */
  function choose(market) {
    chosen = market;
    input.value = market?.title ?? "";
    line.hidden = !market;
    line.textContent = market?.ticker ?? "";
    found = [];
    close();
    onChoose(market);
  }

  input.addEventListener("input", () => {
    if (chosen) {
      chosen = null;
      line.hidden = true;
      onChoose(null);
    }
    clearTimeout(pause);
    pause = setTimeout(run, PAUSE_MS);
  });
  input.addEventListener("keydown", (event) => {
    if (list.hidden || !found.length) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      at = moveSelection(at, event.key === "ArrowDown" ? 1 : -1, found.length);
      draw();
    } else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey && !event.isComposing)
      choose(found[at] ?? null);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  input.addEventListener("blur", () => setTimeout(close, 150));
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const option = /** @type {Element} */ (event.target).closest("[data-index]");
    if (option) choose(found[Number(option.getAttribute("data-index"))] ?? null);
  });

  return {
    choose,
    get ticker() {
      return chosen?.ticker ?? "";
    },
    get chosen() {
      return chosen;
    },
  };
}
