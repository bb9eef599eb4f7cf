"""Notes, keys, checkpoints, policies and proof files: known answers, one form only, and every byte changed."""

from __future__ import annotations

import itertools

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.trees import Files
from troth.core.checkpoint import Checkpoint, parse_checkpoint, parse_size
from troth.core.errors import BadInput, Refused
from troth.core.merkle import leaf_hash
from troth.core.note import (
    COSIGNATURE,
    ED25519,
    MAX_SIGNATURES,
    Note,
    Signature,
    cosign,
    decode64,
    encode64,
    parse_note,
    parse_vkey,
    sign,
    verifier_key,
    verify,
)
from troth.core.policy import Accepted, check_note, parse_policy
from troth.core.proof import ProofFile, parse_proof, verify_inclusion
from troth.core.tiles import static_tree

# The examples of C2SP signed-note and of Go's sumdb/note.
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
# C2SP tlog-cosignature's example and its witness, and a checkpoint of C2SP tlog-checkpoint.
CHECKPOINT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
WITNESSES = [Ed25519PrivateKey.from_private_bytes(bytes([one] * 32)) for one in range(1, 4)]
LOG_KEY = verifier_key(LOG, "example.com/log", ED25519)
WITNESS_KEYS = [
    verifier_key(key, f"witness.example/{one}", COSIGNATURE) for one, key in enumerate(WITNESSES, start=1)
]
NOON = 1_758_000_000


def policy_text(quorum: str = "group all all w1 w2 w3\nquorum all\n") -> bytes:
    witnesses = "".join(f"witness w{one} {key}\n" for one, key in enumerate(WITNESS_KEYS, start=1))
    return f"log {LOG_KEY}\n{witnesses}{quorum}".encode()


def signed(text: str, *witnesses: int) -> Note:
    """A checkpoint signed by the log and by some witnesses, counted from 1."""
    cosigned = [cosign(text, WITNESS_KEYS[one - 1].name, WITNESSES[one - 1], NOON + one) for one in witnesses]
    return Note(text, (sign(text, LOG_KEY.name, LOG), *cosigned))


@pytest.mark.parametrize(("key", "data"), [(EXAMPLE_KEY, EXAMPLE_NOTE), (GO_KEY, GO_NOTE)])
def test_known_notes_hold(key: str, data: str) -> None:
    note = parse_note(data.encode())
    known = parse_vkey(key)
    assert str(known) == key
    assert [one.key for one in verify(note.text, note.signatures, [known])] == [known]
    assert note.write() == data.encode()
    with pytest.raises(Refused):
        verify(note.text.replace("e", "E", 1), note.signatures, [known])


def test_a_note_ends_at_its_last_blank_line() -> None:
    text = "One\n\nTwo\n\n— looks.like a signature\n"
    note = Note(text, (sign(text, "example.com/log", LOG),))
    assert parse_note(note.write()) == note


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n", b"\n\n", b"a", b"a\n", b"a\n\n", b"a\n\nb\n", b"a\n\n\xe2\x80\x94 n\n",
        EXAMPLE_NOTE.encode()[:-1],  # the last line has no end
        EXAMPLE_NOTE.encode() + b"\n",
        EXAMPLE_NOTE.encode().replace(b"\n", b"\r\n"),
        EXAMPLE_NOTE.encode().replace(b"This", b"\xff"),
        EXAMPLE_NOTE.encode().replace(b"This", b"\0"),
        EXAMPLE_NOTE.replace("QM=", "QN=").encode(),  # other bits below the padding
        EXAMPLE_NOTE.replace("QM=", "QM").encode(),
        EXAMPLE_NOTE.replace("— ", "- ").encode(),
        EXAMPLE_NOTE.replace("— example", "—  example").encode(),
        EXAMPLE_NOTE.replace("example.com/foo U", "example.com+foo U").encode(),
        EXAMPLE_NOTE.replace("— example.com/foo U", "— example.com/foo\u2003U").encode(),
        EXAMPLE_NOTE.encode() + EXAMPLE_NOTE.partition("\n\n")[2].encode() * MAX_SIGNATURES,
        b"a" * 300_000 + EXAMPLE_NOTE.encode(),
    ],
)  # fmt: skip
def test_what_is_no_note_is_refused(data: bytes) -> None:
    with pytest.raises(BadInput):
        parse_note(data)


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "a+b", "a+b+c", EXAMPLE_KEY[:-1], EXAMPLE_KEY.replace("53", "54"), EXAMPLE_KEY.replace("foo", "fop"),
        EXAMPLE_KEY.replace("3a+Ae", "3A+Ae"), EXAMPLE_KEY.replace("+Aek", "+Bek"), " " + EXAMPLE_KEY,
        EXAMPLE_KEY.upper(), "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", EXAMPLE_KEY + "\n",
    ],
)  # fmt: skip
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_vkey(text)


def test_a_key_of_small_order_is_no_key() -> None:
    """A public key that no point belongs to fails in the check, not with a traceback."""
    key = type(LOG_KEY)("example.com/log", ED25519, b"\xff" * 32)
    with pytest.raises(Refused):
        verify("a\n", [Signature(key.name, key.id, bytes(64))], [key])


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\nb", "\x07", "a" * 256, "\ud800"])
def test_names_that_no_note_can_hold(name: str) -> None:
    with pytest.raises(BadInput):
        sign("a\n", name, LOG)


@pytest.mark.parametrize("text", ["", "a", "a\tb\n", "a\rb\n"])
def test_texts_that_no_note_can_hold(text: str) -> None:
    with pytest.raises(BadInput):
        sign(text, "example.com/log", LOG)


@pytest.mark.parametrize("time", [0, -1, 2**63])
def test_times_that_no_cosignature_can_have(time: int) -> None:
    with pytest.raises(BadInput):
        cosign("a\n", "w", LOG, time)


def test_a_cosignature_binds_its_time() -> None:
    one = cosign(CHECKPOINT, WITNESS_KEYS[0].name, WITNESSES[0], NOON)
    (found,) = verify(CHECKPOINT, [one], WITNESS_KEYS)
    assert (found.key, found.time) == (WITNESS_KEYS[0], NOON)
    later = Signature(one.name, one.id, (NOON + 1).to_bytes(8, "big") + one.data[8:])
    for wrong in (later, Signature(one.name, one.id, one.data[:-1]), Signature(one.name, one.id, b"")):
        with pytest.raises(Refused):
            verify(CHECKPOINT, [wrong], WITNESS_KEYS)
    with pytest.raises(Refused, match="twice"):
        verify(CHECKPOINT, [one, one], WITNESS_KEYS)


def test_kinds_of_keys_are_kept_apart() -> None:
    """The same key signs as a log and as a witness: neither signature passes for the other."""
    as_log, as_witness = (verifier_key(LOG, "same.example", kind) for kind in (ED25519, COSIGNATURE))
    assert as_log.id != as_witness.id
    assert verify("a\n", [sign("a\n", "same.example", LOG)], [as_witness]) == []
    assert verify("a\n", [cosign("a\n", "same.example", LOG, 1)], [as_log]) == []


def test_the_checkpoint_of_the_specification() -> None:
    checkpoint = parse_checkpoint(CHECKPOINT)
    assert checkpoint.origin == "example.com/behind-the-sofa"
    assert checkpoint.size == 20852163
    assert checkpoint.text() == CHECKPOINT


@pytest.mark.parametrize(
    "text",
    [
        "", "\n\n\n", CHECKPOINT[:-1], CHECKPOINT + "more\n", CHECKPOINT + "\n", CHECKPOINT.replace("208", "0208"),
        CHECKPOINT.replace("208", "-208"), CHECKPOINT.replace("208", "٢08"), CHECKPOINT.replace("208", "2_08"),
        CHECKPOINT.replace("20852163", "9223372036854775808"), CHECKPOINT.replace("20852163", ""),
        CHECKPOINT.replace("2I=", "2J="), CHECKPOINT.replace("2I=", "2I"), CHECKPOINT.replace("CsUY", ""),
        CHECKPOINT.replace("example.com", "example com"), CHECKPOINT.replace("example", "\nexample"),
    ],
)  # fmt: skip
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_checkpoint(text)


def test_sizes() -> None:
    assert parse_size("0") == 0
    assert parse_size(str(2**63 - 1)) == 2**63 - 1


@given(st.binary(max_size=40))
def test_base64_has_one_form(data: bytes) -> None:
    assert decode64(encode64(data)) == data
    for wrong in ("\n", " ", "=", "A"):
        if encode64(data) or wrong != "":
            with pytest.raises(ValueError, match="base64"):
                decode64(encode64(data) + wrong)


# policies


def accepted(quorum: str, *witnesses: int) -> Accepted:
    return check_note(
        signed(CHECKPOINT.replace("/behind-the-sofa", "/log"), *witnesses), parse_policy(policy_text(quorum))
    )


@pytest.mark.parametrize(
    ("quorum", "enough"),
    [
        ("quorum none\n", lambda _: True),
        ("quorum w2\n", lambda some: 2 in some),
        ("group g any w1 w2 w3\nquorum g\n", bool),
        ("group g 2 w1 w2 w3\nquorum g\n", lambda some: len(some) > 1),
        ("group g all w1 w2 w3\nquorum g\n", lambda some: len(some) == 3),
        ("group a any w1 w2\ngroup b all a w3\nquorum b\n", lambda some: 3 in some and len(some) > 1),
        ("group a any w1 w2\ngroup b all a w3\nquorum a\n", lambda some: bool({1, 2} & set(some))),
    ],
)  # fmt: skip
def test_quorums(quorum: str, enough: object) -> None:
    assert callable(enough)
    for some in itertools.chain.from_iterable(itertools.combinations((1, 2, 3), n) for n in range(4)):
        if enough(some):
            found = accepted(quorum, *some)
            assert found.cosigned == {f"w{one}": NOON + one for one in some}
            assert (found.log, found.unknown) == (LOG_KEY, 0)
        else:
            with pytest.raises(Refused, match="too few witnesses"):
                accepted(quorum, *some)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", None), ("# nothing\n", None), ("quorum none", 1), ("quorum none\nquorum none\n", 2), ("quorum w1\n", 1),
        ("quorum\n", 1), ("quorum none none\n", 1), ("forum none\n", 1), ("log\n", 1), ("log x\n", 1),
        (f"log {LOG_KEY} u v\n", 1), (f"log {LOG_KEY}\nlog {LOG_KEY}\n", 2), (f"log {WITNESS_KEYS[0]}\n", 1),
        (f"witness w {LOG_KEY}\n", 1), (f"witness none {WITNESS_KEYS[0]}\n", 1),
        (f"witness a {WITNESS_KEYS[0]}\nwitness b {WITNESS_KEYS[0]}\n", 2),
        (f"witness a {WITNESS_KEYS[0]}\nwitness a {WITNESS_KEYS[1]}\n", 2),
        (f"witness a {WITNESS_KEYS[0]}\ngroup a any a\n", 2),
        (f"witness a {WITNESS_KEYS[0]}\ngroup b any a a\n", 2),
        (f"witness a {WITNESS_KEYS[0]}\ngroup b any a\ngroup c any a\n", 3),
        (f"witness a {WITNESS_KEYS[0]}\ngroup b 0 a\n", 2), (f"witness a {WITNESS_KEYS[0]}\ngroup b 2 a\n", 2),
        (f"witness a {WITNESS_KEYS[0]}\ngroup b 01 a\n", 2), (f"witness a {WITNESS_KEYS[0]}\ngroup b some a\n", 2),
        (f"witness a {WITNESS_KEYS[0]}\ngroup b any\n", 2), (f"witness a {WITNESS_KEYS[0]}\ngroup b any none\n", 2),
        ("group b any c\n", 1), ("quorum none\r\n", 1), ("quorum\x0bnone\n", 1), ("quorum none\x7f\n", 1),
    ],
)  # fmt: skip
def test_what_is_no_policy_is_refused_with_its_line(text: str, line: int | None) -> None:
    with pytest.raises(BadInput) as caught:
        parse_policy(text.encode(), "trust")
    assert caught.value.place is not None
    assert caught.value.place.line == line


def test_policies_are_read_with_spaces_comments_and_any_octets() -> None:
    text = b"\n \t\n\t# a comment\xff\n  log\t" + str(LOG_KEY).encode() + b"  https://example.com/log \n"
    name = b"caf\xe9"
    text += b"witness " + name + b" " + str(WITNESS_KEYS[0]).encode() + b"\nquorum " + name + b"\n"
    policy = parse_policy(text)
    assert policy.logs[0].url == "https://example.com/log"
    assert policy.quorum.encode("utf-8", "surrogateescape") == name
    assert parse_policy(policy.write().encode("utf-8", "surrogateescape")) == policy


def test_a_policy_is_about_its_own_log() -> None:
    policy = parse_policy(policy_text("quorum none\n"))
    with pytest.raises(Refused, match="knows no log"):
        check_note(signed(CHECKPOINT), policy)
    text = CHECKPOINT.replace("/behind-the-sofa", "/log")
    with pytest.raises(Refused, match="has signed"):
        check_note(Note(text, signed(text, 1).signatures[1:]), policy)
    stranger = sign(text, "stranger.example", WITNESSES[0])
    assert check_note(Note(text, (*signed(text).signatures, stranger)), policy).unknown == 1


# proof files


def receipt() -> tuple[bytes, bytes]:
    """A proof file of entry 4 of 6, and a policy under which all its signatures count."""
    entries = [b"entry %d\n" % one for one in range(6)]
    tiles = Files(static_tree(entries)).tiles()
    text = Checkpoint(LOG_KEY.name, 6, tiles.root(6)).text()
    proof = ProofFile(4, tuple(tiles.inclusion(4, 6)), signed(text, 1, 2, 3), entries[4])
    return proof.write(), policy_text()


def holds(data: bytes, policy: bytes) -> bool:
    try:
        proof = parse_proof(data)
        accepted = check_note(proof.checkpoint, parse_policy(policy))
    except (BadInput, Refused):
        return False
    assert proof.extra is not None
    leaf, tree = leaf_hash(proof.extra), accepted.checkpoint
    return verify_inclusion(leaf, proof.index, tree.size, proof.hashes, tree.root)


def test_a_proof_file_is_written_as_specified_and_holds() -> None:
    data, policy = receipt()
    lines = data.decode().split("\n")
    assert lines[:3] == ["c2sp.org/tlog-proof@v1", "extra ZW50cnkgNAo=", "index 4"]
    assert lines[5:8] == ["", "example.com/log", "6"]
    assert parse_proof(data).write() == data
    assert holds(data, policy)
    bare = ProofFile(parse_proof(data).index, parse_proof(data).hashes, parse_proof(data).checkpoint)
    assert b"extra" not in bare.write()
    assert parse_proof(bare.write()) == bare


def test_every_change_of_a_byte_of_a_proof_file_is_noticed() -> None:
    """Every place, every other value that differs in one bit, and those that stand for something in the format."""
    data, policy = receipt()
    for place in range(len(data)):
        others = {data[place] ^ (1 << bit) for bit in range(8)} | {ord("\n"), ord(" ")}
        for other in others - {data[place]}:
            assert not holds(data[:place] + bytes([other]) + data[place + 1 :], policy), (place, other)


def test_every_byte_left_out_put_in_or_cut_off_is_noticed() -> None:
    data, policy = receipt()
    for place in range(len(data)):
        assert not holds(data[:place], policy)
        assert not holds(data[:place] + data[place + 1 :], policy)
        for more in (b"\n", b" ", b"0", b"=", b"A", data[place : place + 1]):
            assert not holds(data[:place] + more + data[place:], policy), (place, more)
    assert not holds(data + b"\n", policy)


def test_lines_of_a_proof_file_have_one_order() -> None:
    data, policy = receipt()
    lines = data.decode().split("\n")
    for one, other in itertools.combinations(range(len(lines)), 2):
        swapped = [*lines]
        swapped[one], swapped[other] = lines[other], lines[one]
        if swapped != lines and not (one > 9 and other > 9):  # the order of signatures says nothing
            assert not holds("\n".join(swapped).encode(), policy)


@given(st.binary(max_size=200))
def test_no_bytes_lead_to_a_traceback(data: bytes) -> None:
    for read in (parse_note, parse_proof, parse_policy):
        for given_ in (data, receipt()[0][:60] + data):
            try:
                read(given_)
            except BadInput as error:
                assert error.message  # noqa: PT017 - either way is fine, a traceback is not
