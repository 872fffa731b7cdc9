/** The page's own `createKept`: what the page came with, this browser's storage, and the desk's address. */
import { csrfToken } from "../frame/dom.js";
import { browserStorage } from "./column-memory.js";
import { createKept } from "./kept.js";

const ADDRESS = "/settings/kept/";

/** @param {string} person */
export function keptHere(person) {
  const told = JSON.parse(document.getElementById("kept-data")?.textContent ?? "{}");
  const kept = createKept({
    told,
    person,
    storage: browserStorage(),
    async save(key, value) {
      const body = new URLSearchParams({ key, value, csrfmiddlewaretoken: csrfToken() });
      // Outlives the page: a width that was changed right before a click on a link counts too.
      const response = await fetch(ADDRESS, { method: "POST", body, keepalive: true });
      // What the desk refuses once it refuses again: it stays with this page only.
      return (response.ok && !response.redirected) || response.status === 400;
    },
  });
  window.addEventListener("pagehide", () => void kept.flush());
  return kept;
}
