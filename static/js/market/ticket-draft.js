/** What was typed into the ticket, kept in this tab over a sign-in or a reload while it is on its way. Nothing restored is ever sent by itself. */

const NAMES = [
  "side",
  "price",
  "count",
  "terms",
  "expires_at",
  "post_only",
  "reduce_only",
  "cancel_on_pause",
  "self_trade_prevention",
  "order_group_id",
];

/** @param {HTMLFormElement} form @param {string} key of the tab's session storage */
export function createDraft(form, key) {
  const inputs = () =>
    /** @type {HTMLInputElement[]} */ (
      [...form.elements].filter((each) => NAMES.includes(each.getAttribute("name") ?? ""))
    );
  const isSwitch = (/** @type {HTMLInputElement} */ input) => input.type === "radio" || input.type === "checkbox";

  return {
    keep() {
      const values = inputs().map((input) => [input.name, input.value, isSwitch(input) ? input.checked : true]);
      sessionStorage.setItem(key, JSON.stringify({ unit: form.dataset.countUnit ?? "", values }));
    },
    drop: () => sessionStorage.removeItem(key),
    /** Put back what was kept, once. Returns whether there was anything. */
    restore() {
      const raw = sessionStorage.getItem(key);
      sessionStorage.removeItem(key);
      if (!raw) return false;
      const { unit, values } = JSON.parse(raw);
      form.dataset.countUnit = unit; // forty dollars must not come back as forty contracts
      for (const [name, value, isChosen] of values) {
        for (const input of inputs().filter((each) => each.name === name)) {
          if (!isSwitch(input)) input.value = value;
          else if (input.value === value) input.checked = isChosen;
        }
      }
      return inputs().some((input) => !isSwitch(input) && input.value !== "");
    },
  };
}
