/** The page of rules: the result of a test is read until every message has ended. */

const AGAIN_MS = 1_500;

async function follow() {
  const old = document.querySelector("[data-test-result]");
  if (!old?.hasAttribute("data-waiting")) return;
  const answer = await fetch("/alerts/test/result/", { headers: { Accept: "text/html" } }).catch(() => null);
  if (answer?.ok) {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("[data-test-result]");
    if (fresh && !fresh.isEqualNode(old)) old.replaceWith(fresh);
  }
  setTimeout(follow, AGAIN_MS);
}

void follow();
