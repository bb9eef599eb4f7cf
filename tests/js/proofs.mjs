// Reads vectors (tests/golden/proofs.json) on standard input and prints what the module answers to each proof.
import { verifyProof } from "../../src/troth/web/verify.mjs";

let text = "";
for await (const chunk of process.stdin) text += chunk;
const cases = JSON.parse(text);
const key = Uint8Array.from(Buffer.from(cases.key, "hex"));
const manifest = new TextEncoder().encode(cases.manifest);
const answers = [];
for (const one of cases.proofs) {
  answers.push(await verifyProof(Uint8Array.from(Buffer.from(one.proof, "base64")), manifest, key));
}
console.log(JSON.stringify(answers));
