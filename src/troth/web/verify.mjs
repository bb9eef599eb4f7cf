// Checks proofs of presence and absence in a browser or in Node, with WebCrypto and nothing else: no request is
// made, nothing is stored. The same checks as troth.core.presence and troth.core.verify; shared test vectors in
// tests/golden/proofs.json hold the two together. Formats: docs/decisions/0010-release-sets.md.

const subtle = globalThis.crypto.subtle;
const utf8 = new TextEncoder();

const HASH_BYTES = 32;
const MAX_HASHES = 63;
const MAX_BITS = 40;
const NO_HEAD = (1n << 64n) - 1n;
const PROOF_TYPE = "troth/proof/v1";
const PAYLOAD_TYPE = "application/vnd.in-toto+json";
const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPE = "urn:troth:release:v1";

class Wrong extends Error {}

function need(condition, message) {
  if (!condition) throw new Wrong(message);
}

// --- bytes ---

function join(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function label(text) {
  return join(utf8.encode(text), Uint8Array.of(0));
}

function u64(number) {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt(number));
  return out;
}

function compare(left, right) {
  for (let at = 0; at < Math.min(left.length, right.length); at += 1) {
    if (left[at] !== right[at]) return left[at] - right[at];
  }
  return left.length - right.length;
}

const same = (left, right) => compare(left, right) === 0;

function toHex(bytes) {
  return Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");
}

function fromHex(text, length) {
  need(typeof text === "string" && text.length === 2 * length && /^[0-9a-f]*$/.test(text), "expected hexadecimal digits");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

// Refuses every form but the one that encoding gives, so that no bit goes unread.
function fromBase64(text) {
  need(typeof text === "string" && text !== "" && /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0, "expected base64");
  const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  let binary = "";
  for (const one of bytes) binary += String.fromCharCode(one);
  need(btoa(binary) === text, "expected base64 in its one form");
  return bytes;
}

async function sha256(...parts) {
  return new Uint8Array(await subtle.digest("SHA-256", join(...parts)));
}

// RFC 8785: keys sorted by UTF-16 units; numbers and texts as ECMAScript writes them.
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const keys = Object.keys(value).sort();
    return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

function parseJson(bytes) {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw new Wrong("holds no JSON");
  }
}

function count(value) {
  need(Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0), "expected a whole number of 0 or more");
  return value;
}

function onlyKeys(value, required, optional = []) {
  need(value !== null && typeof value === "object" && !Array.isArray(value), "expected a mapping");
  const keys = Object.keys(value);
  need(required.every((key) => keys.includes(key)), "a key is missing");
  need(keys.every((key) => required.includes(key) || optional.includes(key)), "holds more than a proof");
}

// --- trees (RFC 6962, RFC 9162 section 2.1.3.2) ---

const leafHash = (data) => sha256(Uint8Array.of(0), data);
const nodeHash = (left, right) => sha256(Uint8Array.of(1), left, right);

async function isIncluded(leaf, index, size, path, root) {
  if (index >= size || path.length > MAX_HASHES) return false;
  let found = leaf;
  let node = index;
  let last = size - 1n;
  for (const sibling of path) {
    if (last === 0n) return false;
    if (node & 1n || node === last) {
      found = await nodeHash(sibling, found);
      while (!(node & 1n) && node !== 0n) {
        node >>= 1n;
        last >>= 1n;
      }
    } else {
      found = await nodeHash(found, sibling);
    }
    node >>= 1n;
    last >>= 1n;
  }
  return last === 0n && same(found, root);
}

async function rootOf(leaves) {
  let level = leaves;
  if (!level.length) return sha256();
  while (level.length > 1) {
    const above = [];
    for (let at = 0; at + 1 < level.length; at += 2) above.push(await nodeHash(level[at], level[at + 1]));
    if (level.length % 2) above.push(level[level.length - 1]);
    level = above;
  }
  return level[0];
}

// --- buckets ---

function bucketOf(name, bits) {
  const head = new DataView(name.buffer, name.byteOffset, 8).getBigUint64(0);
  return bits === 0 ? 0n : head >> BigInt(64 - bits);
}

function namesOf(bucket, width, nameBytes, behind, index, bits) {
  need(bucket.length >= 2, "is no bucket");
  const items = bucket[0] * 256 + bucket[1];
  need(bucket.length === 2 + items * width + behind, "is no bucket: its length does not fit its count");
  const found = [];
  for (let at = 0; at < items; at += 1) found.push(bucket.slice(2 + at * width, 2 + (at + 1) * width));
  const names = found.map((item) => item.slice(0, nameBytes));
  for (let at = 1; at < items; at += 1) {
    need(compare(names[at - 1], names[at]) < 0, "is no bucket: what it lists is not in strictly ascending order");
  }
  need(names.every((name) => bucketOf(name, bits) === index), "lists something that belongs into another bucket");
  return found;
}

// --- rows (troth.core.rows) ---

function checkRow(bytes) {
  let at = 0;
  const end = bytes.length;
  const head = utf8.encode("troth/row/v1\0");
  need(end >= head.length && same(bytes.slice(0, head.length), head), "is no canonical row");
  at = head.length;
  const number = () => {
    const stop = bytes.indexOf(0x3a, at);
    const digits = stop < 0 ? "" : String.fromCharCode(...bytes.slice(at, Math.min(stop, at + 16)));
    need(stop - at < 16 && /^(0|[1-9][0-9]*)$/.test(digits), "is no canonical row");
    at = stop + 1;
    return Number(digits);
  };
  const text = () => {
    if (bytes[at] === 0x2d) {
      at += 1;
      return null;
    }
    const start = number() + at;
    need(start <= end, "is no canonical row");
    const found = bytes.slice(at, start);
    at = start;
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(found);
    } catch {
      throw new Wrong("is no canonical row");
    }
  };
  const list = () => {
    if (bytes[at] === 0x2d) {
      at += 1;
      return null;
    }
    need(bytes[at] === 0x5b, "is no canonical row");
    at += 1;
    const items = number();
    need(items <= end, "is no canonical row");
    return Array.from({ length: items }, text);
  };
  const row = { id: text(), category: text(), created_at: text(), author: text() };
  Object.assign(row, { addressees: list(), topics: list(), conversation: text(), title: text(), body: text() });
  need(at === end && row.id !== null && row.category !== null, "is no canonical row");
  need(row.created_at === null || /^(0|-?[1-9][0-9]*)$/.test(row.created_at), "is no canonical row");
  return row;
}

// --- the manifest ---

/**
 * Checks a signed manifest: envelope, signature, and what a proof rests on. Throws an Error that says what is wrong.
 * @param {Uint8Array} bytes the envelope's file
 * @param {Uint8Array} key the operator's Ed25519 public key, 32 bytes
 */
export async function readManifest(bytes, key) {
  const envelope = parseJson(bytes);
  onlyKeys(envelope, ["payload", "payloadType", "signatures"]);
  need(envelope.payloadType === PAYLOAD_TYPE, "holds a payload of another type");
  need(Array.isArray(envelope.signatures) && envelope.signatures.length === 1, "expected one signature");
  const [signature] = envelope.signatures;
  onlyKeys(signature, ["keyid", "sig"]);
  need(typeof signature.keyid === "string", "is no signature");
  const payload = fromBase64(envelope.payload);
  const made = JSON.stringify(
    { payload: envelope.payload, payloadType: PAYLOAD_TYPE, signatures: [{ keyid: signature.keyid, sig: signature.sig }] },
    null,
    1,
  );
  need(same(utf8.encode(`${made}\n`), bytes), "is not in the form in which manifests are written: it was altered");
  const kind = utf8.encode(PAYLOAD_TYPE);
  const signed = join(utf8.encode(`DSSEv1 ${kind.length} `), kind, utf8.encode(` ${payload.length} `), payload);
  const imported = await subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
  const holds = await subtle.verify({ name: "Ed25519" }, imported, fromSignature(signature.sig), signed);
  need(holds, "the operator's key has not signed the manifest: it was altered, or is somebody else's");
  const statement = parseJson(payload);
  need(same(utf8.encode(canonical(statement)), payload), "the statement is not in its one form");
  need(statement._type === STATEMENT_TYPE && statement.predicateType === PREDICATE_TYPE, "is no manifest of a release");
  return { ...rootsOf(statement.predicate), digest: toHex(await sha256(bytes)) };
}

function fromSignature(text) {
  const found = fromBase64(text);
  need(found.length === 64, "is no signature");
  return found;
}

function rootsOf(predicate) {
  const { release, rows, row_root: rowRoot, settings_as_of: stop, set_root: setRoot, set_bits: bits } = predicate;
  need(typeof release === "string" && /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(release), "names no release");
  need(setRoot !== null && predicate.directory_root !== null, "the release was sealed without a set of its members: nothing can be proved of it");
  need(count(bits) <= MAX_BITS, "states too many buckets");
  return {
    release,
    rows: count(rows),
    stop: count(stop),
    bits,
    purpose: predicate.use.purpose,
    recipient: predicate.use.recipient,
    rowRoot: fromHex(rowRoot, HASH_BYTES),
    setRoot: fromHex(setRoot, HASH_BYTES),
    directoryRoot: fromHex(predicate.directory_root, HASH_BYTES),
  };
}

// --- the proof ---

function hashes(list) {
  need(Array.isArray(list), "expected a list");
  const found = list.map(fromBase64);
  need(found.every((one) => one.length === HASH_BYTES), "expected hashes");
  return found;
}

function opening(value) {
  onlyKeys(value, ["bucket", "path"]);
  const path = hashes(value.path);
  need(path.length <= MAX_HASHES, "a path is too long");
  return { bucket: fromBase64(value.bucket), path };
}

function parseProof(bytes) {
  const value = parseJson(bytes);
  onlyKeys(value, ["type", "claim", "release", "manifest", "account", "secret", "directory", "set"], ["details", "rows"]);
  need(same(utf8.encode(`${canonical(value)}\n`), bytes), "is not in the form in which proofs are written: it was altered");
  need(value.type === PROOF_TYPE && ["presence", "absence"].includes(value.claim), "is no proof");
  need((value.claim === "presence") === ("details" in value), "details belong to a presence, and to nothing else");
  const proof = {
    claim: value.claim,
    release: value.release,
    manifest: toHex(fromHex(value.manifest, HASH_BYTES)),
    account: fromHex(value.account, 16),
    secret: fromHex(value.secret, 32),
    directory: opening(value.directory),
    set: opening(value.set),
    details: null,
    rows: null,
  };
  if (proof.claim === "presence") proof.details = parseDetails(value.details);
  if ("rows" in value) {
    need(Array.isArray(value.rows) && proof.details !== null, "a proof of absence opens no rows");
    proof.rows = value.rows.map(parseOpenedRow);
  }
  return proof;
}

function parseDetails(value) {
  onlyKeys(value, ["rows", "row_root", "head", "others"]);
  return {
    rows: count(value.rows),
    rowRoot: fromHex(value.row_root, HASH_BYTES),
    head: value.head === null ? null : count(value.head),
    others: hashes(value.others),
  };
}

function parseOpenedRow(value) {
  onlyKeys(value, ["row", "salt", "index", "path"]);
  return { row: fromBase64(value.row), salt: fromHex(value.salt, 16), index: count(value.index), path: hashes(value.path) };
}

async function checkDirectory(proof, manifest) {
  const name = await sha256(label("troth/label/v1"), proof.account);
  const { bucket, path } = proof.directory;
  const bits = path.length;
  const index = bucketOf(name, bits);
  const holds = await isIncluded(await leafHash(bucket), index, 1n << BigInt(bits), path, manifest.directoryRoot);
  need(holds, "the bucket is not the one that the signed directory has for this account");
  const bound = namesOf(bucket, 64, 32, 0, index, bits).find((item) => same(item.slice(0, 32), name));
  need(bound !== undefined, "the account is not in the directory that the release was made with");
  const key = await sha256(label("troth/key/v1"), proof.secret);
  need(same(bound.slice(32), key), "the directory binds the account to another secret");
}

async function checkSet(proof, manifest) {
  const tag = (await sha256(label("troth/tag/v1"), utf8.encode(manifest.release), proof.secret)).slice(0, 16);
  const { bucket, path } = proof.set;
  const index = bucketOf(tag, manifest.bits);
  const holds = await isIncluded(await leafHash(bucket), index, 1n << BigInt(manifest.bits), path, manifest.setRoot);
  need(holds, "the bucket is not the one that the signed set has for this secret");
  const tags = namesOf(bucket, 16, 16, HASH_BYTES, index, manifest.bits);
  const at = tags.findIndex((one) => same(one, tag));
  if (proof.details === null) {
    need(at < 0, "the proof claims absence, but the bucket lists the member");
    return;
  }
  need(at >= 0, "the proof claims presence, but the bucket does not list the member");
  const { rows, rowRoot, head, others } = proof.details;
  need(others.length === tags.length - 1, "there are not as many other members' details as the bucket lists");
  const sealed = await sha256(label("troth/head/v1"), tag, proof.secret, u64(head === null ? NO_HEAD : head));
  const own = await sha256(label("troth/detail/v1"), tag, u64(rows), rowRoot, sealed);
  const digest = await sha256(label("troth/details/v1"), ...others.slice(0, at), own, ...others.slice(at));
  need(same(digest, bucket.slice(-HASH_BYTES)), "the details are not those that were sealed");
  need(rows >= 1 && rows <= manifest.rows, "the number of rows is not possible in this release");
  need(head === null || head < manifest.stop, "the release claims another end of the ledger than this member's details");
}

async function checkRows(proof, manifest) {
  const leaves = [];
  let before = -1;
  for (const one of proof.rows) {
    need(one.index > before, "the opened rows are not listed once each, in their order");
    before = one.index;
    const leaf = await leafHash(join(one.salt, one.row));
    const holds = await isIncluded(leaf, BigInt(one.index), BigInt(manifest.rows), one.path, manifest.rowRoot);
    need(holds, "a row is not in the row tree at its place");
    checkRow(one.row);
    leaves.push(leaf);
  }
  leaves.sort(compare);
  const holds = leaves.length === proof.details.rows && same(await rootOf(leaves), proof.details.rowRoot);
  need(holds, "the opened rows are not the rows that the set has for this member");
}

/**
 * Checks a proof against a signed manifest.
 * @param {Uint8Array} proof the bytes of the proof file
 * @param {Uint8Array} manifest the bytes of the signed manifest
 * @param {Uint8Array} key the operator's Ed25519 public key, 32 bytes
 * @returns {Promise<{ok: boolean, claim: string|null, what: string, rows: number|null, release: string|null}>}
 */
export async function verifyProof(proof, manifest, key) {
  let claim = null;
  try {
    const signed = await readManifest(manifest, key);
    const read = parseProof(proof);
    claim = read.claim;
    need(read.release === signed.release && read.manifest === signed.digest, "is about another release or another manifest");
    await checkDirectory(read, signed);
    await checkSet(read, signed);
    if (read.rows !== null) await checkRows(read, signed);
    const use = `${signed.purpose} by ${signed.recipient}`;
    const rows = read.details === null ? 0 : read.details.rows;
    const what = rows
      ? `${rows} of this account's messages (written by it or sent to it) are in release ${signed.release} (${use})`
      : `no message of this account is in release ${signed.release} (${use}): neither written by it nor sent to it`;
    return { ok: true, claim, what, rows, release: signed.release };
  } catch (error) {
    if (!(error instanceof Wrong)) return { ok: false, claim, what: "cannot be read", rows: null, release: null };
    return { ok: false, claim, what: error.message, rows: null, release: null };
  }
}
