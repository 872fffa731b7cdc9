/** The wall: reads its panels again and again, says how old they are, rotates, fills the screen. Sends nothing else. */
import { ageWords, viewAt, waitMs } from "./wall-model.js";

const TICK_MS = 1_000;
const TINT_MS = 400;

/** @param {HTMLElement} root @param {string} part */
const find = (root, part) => /** @type {HTMLElement | null} */ (root.querySelector(`[data-wall-${part}]`));

/** @param {string} name */
function kept(name) {
  try {
    return localStorage.getItem(`desk-wall-${name}`) === "yes";
  } catch {
    return false; // storage is switched off: the view is not remembered
  }
}

/** @param {string} name @param {boolean} value */
function keep(name, value) {
  try {
    localStorage.setItem(`desk-wall-${name}`, value ? "yes" : "no");
  } catch {
    // as above
  }
}

/**
 * @param {HTMLElement} root
 * @param {{onEnd?: (words: string) => void}} [options] onEnd: the server says that this screen may not look any more
 * @returns {{read: () => Promise<void>, start: () => void, take: (html: string) => void}} take: panels that were sent
 */
export function createWall(root, { onEnd } = {}) {
  const every = Number(root.dataset["every"]);
  let readAt = find(root, "panels") ? performance.now() : null;
  let problem = "";
  let failures = 0;
  let hasEnded = false;
  let rotatesSince = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {Promise<void> | null} */
  let reading = null;
  /** What the server calls the panels that it gave last; it then need not send them again. */
  let mark = "";
  let shown = "";

  function show() {
    const { text, level } = ageWords(readAt === null ? null : performance.now() - readAt, problem);
    root.dataset["feed"] = level;
    const age = find(root, "age");
    if (age && age.textContent !== text) age.textContent = text;
    const view = root.hasAttribute("data-rotates") ? viewAt(performance.now() - rotatesSince) : "";
    if (root.getAttribute("data-view") !== view) root.setAttribute("data-view", view);
  }

  /** @param {string} html rendered by the desk, in which everything from outside is escaped */
  function put(html) {
    if (html !== shown) swap(html);
    shown = html;
    [readAt, problem, failures] = [performance.now(), "", 0];
  }

  /** @param {string} html */
  function swap(html) {
    const next = new DOMParser().parseFromString(html, "text/html").querySelector("[data-wall-panels]");
    const old = find(root, "panels");
    if (!next) throw new TypeError("the desk did not answer with panels");
    const known = new Set([...root.querySelectorAll("[data-fill]")].map((row) => row.getAttribute("data-fill")));
    const scrolled = [...(old?.querySelectorAll(".panel__body") ?? [])].map((body) => body.scrollTop);
    const panels = /** @type {HTMLElement} */ (document.importNode(next, true));
    if (old) old.replaceWith(panels);
    else root.append(panels);
    find(root, "ended")?.remove();
    [...panels.querySelectorAll(".panel__body")].forEach((body, at) => (body.scrollTop = scrolled[at] ?? 0));
    if (!old) return;
    for (const row of panels.querySelectorAll("[data-fill]")) {
      if (known.has(row.getAttribute("data-fill"))) continue;
      row.classList.add("wall__new");
      setTimeout(() => row.classList.remove("wall__new"), TINT_MS * 5);
    }
  }

  async function fetchPanels() {
    try {
      const headers = { Accept: "text/html", ...(mark && { "If-None-Match": mark }) };
      const response = await fetch(root.dataset["url"] ?? "", { headers });
      if (response.status === 410 || response.redirected) {
        hasEnded = true;
        problem = "ended";
        onEnd?.(await response.text());
      } else if (response.status === 304) put(shown);
      else if (!response.ok) throw new TypeError(`the desk answered ${response.status}`);
      else {
        put(await response.text());
        mark = response.headers.get("ETag") ?? "";
      }
    } catch {
      failures += 1;
      problem = "the desk does not answer";
    }
    show();
  }

  /** Read now; who asks while a reading is under way gets that one. */
  async function read() {
    clearTimeout(timer);
    reading ??= fetchPanels().finally(() => (reading = null));
    await reading;
    later();
  }

  function later() {
    clearTimeout(timer);
    if (!hasEnded) timer = setTimeout(() => void read(), waitMs(every, failures, Math.random()));
  }

  /** @param {string} name @param {(on: boolean) => void} apply */
  function option(name, apply) {
    const box = /** @type {HTMLInputElement | null} */ (find(root, name));
    if (!box) return;
    box.checked = kept(name);
    apply(box.checked);
    box.addEventListener("change", () => {
      keep(name, box.checked);
      apply(box.checked);
      show();
    });
  }

  function start() {
    option("large", (on) => root.toggleAttribute("data-large", on));
    option("rotate", (on) => {
      rotatesSince = performance.now();
      root.toggleAttribute("data-rotates", on);
    });
    find(root, "full")?.addEventListener("click", () => {
      if (document.fullscreenElement) void document.exitFullscreen();
      else void root.requestFullscreen().catch(() => {});
    });
    setInterval(show, TICK_MS);
    show();
    later();
  }

  return {
    read,
    start,
    take(html) {
      put(html);
      mark = ""; // it named other panels
      show();
      later(); // while they are sent, nothing is read
    },
  };
}
