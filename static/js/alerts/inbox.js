/** The page of alerts: filters act as they are chosen; new alerts are announced by the bell, the list is read anew. */

import { desk } from "../frame/desk.js";

const form = /** @type {HTMLFormElement | null} */ (document.querySelector("[data-filters]"));
const button = /** @type {HTMLElement | null} */ (document.querySelector("[data-filters-go]"));
if (button) button.hidden = true;
form?.addEventListener("change", () => form.requestSubmit());

let loadedAt = "";
if (desk.data.account) {
  desk.topics.watch(`alerts:${desk.data.account}`, (state) => {
    const now = String(state.value?.changed_ms ?? "");
    if (loadedAt && now !== loadedAt) void refresh();
    loadedAt = now;
  });
}

/** Put the list as the server shows it now in the place of the old one; what is open or focused stays open. */
async function refresh() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer?.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const [fresh, old] = [
    page.querySelector("[data-alerts-page] .panel"),
    document.querySelector("[data-alerts-page] .panel"),
  ];
  if (!fresh || !old || old.contains(document.activeElement)) return;
  for (const opened of old.querySelectorAll("[data-alert] details[open]")) {
    const id = opened.closest("[data-alert]")?.getAttribute("data-alert") ?? "";
    fresh.querySelector(`[data-alert="${CSS.escape(id)}"] details`)?.setAttribute("open", "");
  }
  for (const part of ["header", ".alerts__list", ".empty"]) {
    const [from, to] = [fresh.querySelector(part), old.querySelector(part)];
    if (from && to) to.replaceWith(from);
    else if (from) old.append(from);
    else to?.remove();
  }
}
