/** An order's own page: says at once that something changed, and shows it; copies ids. */
import { desk } from "../frame/desk.js";
import { toast } from "../frame/toasts.js";

const root = /** @type {HTMLElement} */ (document.querySelector("[data-module='order']"));
const { key = "", account = "", version = "0", fills = "0" } = root.dataset;
const reloadButton = /** @type {HTMLButtonElement} */ (root.querySelector("[data-reload]"));
let isReloading = false;

/** Load the page anew; while somebody selects text or is in a field of it, offer that instead. */
function changed() {
  const isBusy = !document.getSelection()?.isCollapsed || document.querySelector("dialog[open], details[open]");
  if (isBusy) {
    reloadButton.hidden = false;
    return;
  }
  if (isReloading) return;
  isReloading = true;
  location.reload();
}

reloadButton.addEventListener("click", () => location.reload());

if (account) {
  desk.topics.watch(`orders:${account}`, (state) => {
    const row = state.rows.get(key);
    if (state.isFresh && row && row.v > Number(version)) changed();
  });
  desk.topics.watch(`fills:${account}`, (state) => {
    const orderId = desk.topics.peek(`orders:${account}`)?.rows.get(key)?.["order_id"];
    if (!state.isFresh || !orderId) return;
    const known = state.rows.values().filter((row) => row["order_id"] === orderId).length;
    // The topic keeps a day; an older order's fills are fewer there than on the page.
    if (known > Number(fills)) changed();
  });
}

for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (root.querySelectorAll("[data-copy]"))) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = button.parentElement?.querySelector("[data-copy-text]")?.textContent ?? "";
    try {
      await navigator.clipboard.writeText(text);
      toast({ title: "Copied", text, level: "ok" });
    } catch {
      toast({
        title: "Not copied",
        text: "This browser does not allow it. Select the id and copy it.",
        level: "warning",
      });
    }
  });
}
