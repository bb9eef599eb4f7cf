// Checks proofs in this very browser: the server hands over bytes, and what they say is worked out here.
import { verifyProof } from "/static/verify.mjs";

const root = document.querySelector("[data-key]");
const key = Uint8Array.from(root.dataset.key.match(/../g), (pair) => parseInt(pair, 16));

async function bytesOf(address) {
  const answer = await fetch(address, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
}

function show(target, found) {
  target.textContent = `${found.ok ? root.dataset.holds : root.dataset.refused} ${found.what}.`;
  target.className = found.ok ? "outcome note good" : "outcome note bad";
  target.dataset.outcome = found.ok ? "holds" : "refused";
}

async function check(target, load) {
  target.textContent = root.dataset.checking;
  target.className = "outcome note";
  try {
    const [proof, manifest] = await load();
    show(target, await verifyProof(proof, manifest, key));
  } catch (error) {
    show(target, { ok: false, what: error.message });
  }
}

for (const button of document.querySelectorAll("button[data-release]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const base = `/me/proofs/${encodeURIComponent(button.dataset.release)}`;
    const target = document.getElementById(button.getAttribute("aria-controls"));
    check(target, () => Promise.all([bytesOf(`${base}/proof.json`), bytesOf(`${base}/manifest.json`)]));
  });
}

const form = document.querySelector("#own-check");
if (form) {
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const files = ["proof-file", "manifest-file"].map((name) => document.getElementById(name).files[0]);
    check(document.getElementById("own-outcome"), async () =>
      Promise.all(files.map(async (file) => new Uint8Array(await file.arrayBuffer()))));
  });
}
