/** Takes the invitation from behind the "#" of the address, which no server sees, and out of the address. */
const field = /** @type {HTMLInputElement | null} */ (document.querySelector("[data-join] [name=token]"));
const given = window.location.hash.slice(1);

if (field && /^kdi_[A-Za-z0-9_-]{43}$/.test(given)) {
  field.value = given;
  window.history.replaceState(null, "", window.location.pathname);
}
export {};
