/** A screen with a link: takes the secret out of the address, hands it over once, and shows the wall. */
import { createWall } from "./wall.js";

const root = /** @type {HTMLElement} */ (document.querySelector("[data-wall]"));
const wall = createWall(root, {
  onEnd: (words) => {
    root.querySelector("[data-wall-panels]")?.remove();
    const told = root.querySelector("[data-wall-ended]") ?? document.createElement("p");
    told.className = "wall__ended";
    told.setAttribute("data-wall-ended", "");
    told.textContent = words;
    root.append(told);
  },
});

/** @param {string} secret */
async function enter(secret) {
  const token = /** @type {HTMLInputElement} */ (root.querySelector("[name=csrfmiddlewaretoken]")).value;
  const body = new URLSearchParams({ secret, csrfmiddlewaretoken: token });
  await fetch(root.dataset["enter"] ?? "", { method: "POST", body });
  location.reload(); // with the account's name and the end of the link
}

const secret = location.hash.slice(1);
if (secret) {
  // Neither the history nor who looks over a shoulder keeps it.
  history.replaceState(null, "", location.pathname);
  void enter(secret);
} else if (root.querySelector("[data-wall-panels]")) wall.start();
