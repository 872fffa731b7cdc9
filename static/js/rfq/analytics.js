/** The shift report's copy button; without scripts or a clipboard its text is there to be selected. */
const root = document.querySelector("[data-module='rfq-analytics']");
const button = /** @type {HTMLButtonElement | null} */ (root?.querySelector("[data-copy]") ?? null);
const text = root?.querySelector("[data-text]");
const said = root?.querySelector("[data-copied]");

if (button && text && said && "clipboard" in navigator) {
  button.hidden = false;
  button.addEventListener("click", () => {
    navigator.clipboard.writeText(text.textContent ?? "").then(
      () => {
        said.textContent = "Copied.";
      },
      () => {
        said.textContent = "The browser did not allow it: select the text below.";
      },
    );
  });
}
