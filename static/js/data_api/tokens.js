/** A new token's copy button; without scripts or a clipboard its text is there to be selected. */
const button = /** @type {HTMLButtonElement | null} */ (document.querySelector("[data-copy]"));
const secret = document.querySelector("[data-secret]");
const said = document.querySelector("[data-copied]");

if (button && secret && said && "clipboard" in navigator) {
  button.hidden = false;
  button.addEventListener("click", () => {
    navigator.clipboard.writeText(secret.textContent ?? "").then(
      () => {
        said.textContent = "Copied.";
      },
      () => {
        said.textContent = "The browser did not allow it: select the text.";
      },
    );
  });
}
export {};
