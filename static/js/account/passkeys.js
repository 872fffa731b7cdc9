/**
 * Buttons that use a passkey: [data-passkey=create|get|sign-in] in the form that carries its answer away. The options
 * lie in the page (#passkey-data), or are fetched for a sign-in, because a challenge is good for one answer.
 */

import { answerOf, creationOptions, faultWords, requestOptions } from "./passkey-model.js";

/** @param {HTMLElement} button */
async function answer(button) {
  const kind = button.dataset["passkey"];
  if (kind === "create") {
    return navigator.credentials.create({ publicKey: creationOptions(pageData().creation_options) });
  }
  const options = kind === "sign-in" ? await fetched(button) : pageData().request_options;
  return navigator.credentials.get({ publicKey: requestOptions(options) });
}

function pageData() {
  return JSON.parse(document.querySelector("#passkey-data")?.textContent ?? "{}");
}

/** @param {HTMLElement} button */
async function fetched(button) {
  const form = /** @type {HTMLFormElement} */ (button.closest("form"));
  const response = await fetch(form.action, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`the desk answered ${response.status}`);
  return (await response.json()).request_options;
}

/** @param {HTMLElement} button */
async function run(button) {
  const form = /** @type {HTMLFormElement} */ (button.closest("form"));
  const fault = /** @type {HTMLElement} */ (form.querySelector("[data-passkey-fault]"));
  fault.hidden = true;
  button.setAttribute("disabled", "");
  try {
    const credential = await answer(button);
    const field = /** @type {HTMLInputElement} */ (form.querySelector("[name=credential]"));
    field.value = JSON.stringify(answerOf(credential));
    form.submit();
  } catch (error) {
    /** @type {HTMLElement} */ (fault.querySelector("span")).textContent = faultWords(error);
    fault.hidden = false;
    button.removeAttribute("disabled");
    button.focus();
  }
}

for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-passkey]"))) {
  if (typeof PublicKeyCredential === "undefined") {
    button.closest("[data-passkey-part]")?.setAttribute("hidden", "");
    continue;
  }
  button.removeAttribute("disabled");
  button.addEventListener("click", (event) => {
    event.preventDefault();
    run(button);
  });
}
