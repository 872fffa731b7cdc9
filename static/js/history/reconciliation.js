/** History > Reconciliation: the list is read again every few seconds, unless somebody is in it. */

const EVERY_MS = 5_000;

const root = document.querySelector("[data-module='reconciliation']");
const listOf = () => /** @type {HTMLElement | null} */ (root?.querySelector("[data-list]") ?? null);

/** Somebody types a reason, or is about to press a button: the rows stay where they are. */
function isInUse() {
  const list = listOf();
  return !list || document.hidden || list.contains(document.activeElement) || list.querySelector("details[open]");
}

let isReading = false;

async function readAgain() {
  const list = listOf();
  if (isReading || !list || isInUse()) return;
  isReading = true;
  try {
    const answer = await fetch(list.dataset["list"] ?? "", { headers: { Accept: "text/html" } });
    const isWhole = answer.status === 200 && !answer.redirected;
    const fresh = isWhole ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
    const next = fresh?.querySelector("[data-list]");
    if (next && !isInUse()) list.replaceWith(next);
  } catch {
    // The next one asks again; the frame's own link light says what is wrong.
  }
  isReading = false;
}

setInterval(() => void readAgain(), EVERY_MS);

export {};
