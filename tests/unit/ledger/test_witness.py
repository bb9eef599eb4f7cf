"""A witness after C2SP tlog-witness: each status, what it keeps, races, and the log's side of it."""

from __future__ import annotations

import hashlib
import random
import threading
from functools import partial
from pathlib import Path

import pytest

from tests.unit.core.trees import Files
from tests.unit.ledger.logs import KEY, LOG_KEY, ORIGIN, WITNESS_KEYS, answering, policy, witness
from troth.core.checkpoint import Checkpoint, parse_checkpoint
from troth.core.errors import Unavailable
from troth.core.merkle import EMPTY_ROOT
from troth.core.note import Note, parse_note, parse_signatures, sign, verify
from troth.core.tiles import static_tree
from troth.core.witness import Answer, Request
from troth.ledger.cosigners import Cosigners, post
from troth.ledger.tilelog import Ahead
from troth.ledger.witness import Witness

FILES = Files(static_tree(b"entry %d" % one for one in range(20)))
TILES = FILES.tiles()
# The tree of 20 does not keep the partial tiles of smaller ones; they are cut from its own.


def request(old: int, size: int, **changed: object) -> Request:
    checkpoint = Checkpoint(ORIGIN, size, TILES.root(size))
    text = checkpoint.text()
    proof = tuple(TILES.consistency(old, size)) if 0 < old < size else ()
    note = Note(text, (sign(text, ORIGIN, KEY),))
    fields: dict[str, object] = {
        "old": old,
        "proof": proof,
        "note": note,
        "checkpoint": checkpoint,
        **changed,
    }
    return Request(**fields)  # type: ignore[arg-type]


def signed(checkpoint: Checkpoint, key: object = KEY) -> dict[str, object]:
    text = checkpoint.text()
    return {"checkpoint": checkpoint, "note": Note(text, (sign(text, checkpoint.origin, key),))}  # type: ignore[arg-type]


def ask(one: Witness, what: Request) -> Answer:
    return one.add_checkpoint(what.write())


def test_a_cosigned_checkpoint_is_kept_and_its_cosignature_holds(tmp_path: Path) -> None:
    with witness(tmp_path) as one:
        one.now = lambda: 1_758_000_000
        answer = ask(one, request(0, 5))
        assert (answer.status, answer.type) == (200, "text/plain; charset=utf-8")
        lines = parse_signatures(answer.body.decode())
        (found,) = verify(request(0, 5).note.text, lines, [one.key])
        assert found.time == 1_758_000_000
    # Another process, later.
    with witness(tmp_path) as one:
        data = one.checkpoint(hashlib.sha256(ORIGIN.encode()).hexdigest())
        assert data is not None
        note = parse_note(data)
        assert parse_checkpoint(note.text).size == 5
        assert len(verify(note.text, note.signatures, [one.key, LOG_KEY])) == 2
        assert one.checkpoint("0" * 64) is None
        assert ask(one, request(5, 9)).status == 200
        assert ask(one, request(9, 9)).status == 200


def test_409_tells_the_size(tmp_path: Path) -> None:
    with witness(tmp_path) as one:
        assert ask(one, request(3, 5)) == Answer(409, b"0\n", "text/x.tlog.size")
        assert ask(one, request(0, 5)).status == 200
        for old, size in ((0, 9), (3, 9), (0, 3), (3, 3), (6, 9), (0, 0)):
            assert ask(one, request(old, size)) == Answer(409, b"5\n", "text/x.tlog.size")


def test_404_an_unknown_log(tmp_path: Path) -> None:
    with witness(tmp_path) as one:
        other = Checkpoint("other.example/log", 5, TILES.root(5))
        assert ask(one, request(0, 5, **signed(other))).status == 404


def test_403_no_signature_that_counts(tmp_path: Path) -> None:
    with witness(tmp_path) as one:
        good = request(0, 5)
        stranger = sign(good.note.text, ORIGIN, WITNESS_KEYS[0])
        assert ask(one, request(0, 5, note=Note(good.note.text, (stranger,)))).status == 403
        forged = type(stranger)(ORIGIN, LOG_KEY.id, bytes(64))
        assert ask(one, request(0, 5, note=Note(good.note.text, (forged,)))).status == 403
        # A good signature does not make up for a bad one under a known key.
        both = Note(good.note.text, (*good.note.signatures, forged))
        assert ask(one, request(0, 5, note=both)).status == 403
        # Unknown ones are passed over.
        assert (
            ask(one, request(0, 5, note=Note(good.note.text, (stranger, *good.note.signatures)))).status
            == 200
        )


def test_400_what_is_no_request(tmp_path: Path) -> None:
    with witness(tmp_path) as one:
        good = request(3, 5).write()
        assert ask(one, request(6, 5)).status == 400
        for wrong in (
            b"", b"\n\n", good[1:], good.replace(b"old 3", b"old 03"), good.replace(b"old 3", b"old -3"),
            good.replace(b"old 3", b"OLD 3"), good.replace(b"old 3\n", b""), good.replace(b"\n\n", b"\n", 1),
            good.replace(b"old 3\n", b"old 3\n\n"), good.replace(b"old 3\n", b"old 3\nAAAA\n"), good[:-1],
            good.replace(b"old 3\n", b"old 3\n" + b"PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n" * 64),
            good.replace(b"\n5\n", b"\n05\n"), b"\xff" + good, good + bytes(400_000),
        ):  # fmt: skip
            assert one.add_checkpoint(wrong).status == 400, wrong[:80]


def test_422_what_does_not_go_on_from_what_was_seen(tmp_path: Path) -> None:
    with witness(tmp_path) as one:
        assert ask(one, request(0, 0, **signed(Checkpoint(ORIGIN, 0, bytes(32))))).status == 422
        assert ask(one, request(0, 5, proof=(bytes(32),))).status == 422
        assert ask(one, request(0, 0, **signed(Checkpoint(ORIGIN, 0, EMPTY_ROOT)))).status == 200
        assert ask(one, request(0, 5)).status == 200
        assert ask(one, request(5, 5, **signed(Checkpoint(ORIGIN, 5, bytes(32))))).status == 422
        assert ask(one, request(5, 9, **signed(Checkpoint(ORIGIN, 9, bytes(32))))).status == 422
        proof = request(5, 9).proof
        for wrong in ((), proof[:-1], (*proof, bytes(32)), proof[::-1]):
            assert ask(one, request(5, 9, proof=wrong)).status == 422
        # None of it was kept.
        assert ask(one, request(5, 9)).status == 200


def test_every_change_of_a_byte_of_a_request_is_refused_or_harmless(tmp_path: Path) -> None:
    good = request(5, 9).write()
    with witness(tmp_path) as one:
        assert ask(one, request(0, 5)).status == 200
        for place in range(len(good)):
            wrong = good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]
            assert one.add_checkpoint(wrong).status in (400, 403, 404, 409, 422), place
        assert one.add_checkpoint(good).status == 200


def _race(
    barrier: threading.Barrier, old: int, found: list[tuple[int, int]], which: Witness, new: int
) -> None:
    barrier.wait()
    found.append((new, ask(which, request(old, new)).status))


def test_races_never_take_entries_back(tmp_path: Path) -> None:
    """The race of the specification: requests for n and n+k at once, from the same old size, in two processes' way."""
    answers: list[tuple[int, int]] = []
    with witness(tmp_path) as one, witness(tmp_path) as other:
        size = 0
        rng = random.Random(7)
        for _ in range(15):
            sizes = [size + rng.randrange(1, 3) for _ in range(4)]
            barrier = threading.Barrier(len(sizes))
            found: list[tuple[int, int]] = []

            go = partial(_race, barrier, size, found)
            threads = [
                threading.Thread(target=go, args=((one, other)[place % 2], new))
                for place, new in enumerate(sizes)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            won = [new for new, status in found if status == 200]
            # One wins; the same size again may win too, but no smaller one.
            assert won
            assert len(set(won)) == 1
            assert {status for _, status in found} <= {200, 409}
            data = one.seen(ORIGIN)
            assert data is not None
            size = parse_checkpoint(parse_note(data).text).size
            assert size == won[0]
            answers += found
            if size > 16:
                break
    assert any(status == 409 for _, status in answers)


def test_a_witness_whose_disk_fails_cosigns_nothing(tmp_path: Path) -> None:
    with witness(tmp_path) as one:
        one._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(Unavailable, match="storage failed"):
            ask(one, request(0, 5))
        one._connection.execute("PRAGMA query_only = OFF")
        with pytest.raises(Unavailable, match="an earlier write failed"):
            ask(one, request(0, 5))
    with witness(tmp_path) as one:
        assert one.seen(ORIGIN) is None


# the log's side


def test_over_http_a_witness_is_asked_again_from_where_it_stands(tmp_path: Path) -> None:
    with witness(tmp_path) as one, answering(one) as url:
        asked = Cosigners(policy([one], [url]))
        for size in (5, 5, 9):
            wanted = request(0, size)
            (found,) = asked.cosign(wanted.note, wanted.checkpoint, TILES, 0)
            assert found.name == one.key.name
        with pytest.raises(Ahead, match="has seen 9 entries of this log, here are 5"):
            asked.cosign(request(0, 5).note, request(0, 5).checkpoint, TILES, 0)
        asked_wrongly = Cosigners(policy([one], [f"{url}/nowhere"]))
        with pytest.raises(Unavailable, match="answered 404"):
            asked_wrongly.cosign(request(0, 9).note, request(0, 9).checkpoint, TILES, 9)


def test_a_witness_that_does_not_answer_is_said(tmp_path: Path) -> None:
    with witness(tmp_path) as one:
        with answering(one) as url:
            pass
        for address in (url, "ftp://witness.example", "http://", "http://127.0.0.1:x"):
            with pytest.raises(Unavailable, match=r"too few witnesses .* \(w1: "):
                Cosigners(policy([one], [address])).cosign(
                    request(0, 5).note, request(0, 5).checkpoint, TILES, 0
                )
        with pytest.raises(Unavailable):
            post(f"{url}/add-checkpoint", b"")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200), Answer(200, b"nonsense"), Answer(200, b"\xff"), Answer(500), Answer(409, b"5\n"),
        Answer(409, b"x\n", "text/x.tlog.size"), Answer(409, b"3\n", "text/x.tlog.size"), Answer(301),
        Answer(409, b"\xff", "text/x.tlog.size"), Answer(200, sign("x\n", "stranger", KEY).line().encode()),
    ],
)  # fmt: skip
def test_answers_that_do_not_help(answer: Answer, tmp_path: Path) -> None:
    with witness(tmp_path) as one:
        asked = Cosigners(policy([one], ["https://w.example"]), lambda *_: answer)
        with pytest.raises(Unavailable, match="too few witnesses") as caught:
            asked.cosign(request(0, 5).note, request(0, 5).checkpoint, TILES, 0)
        assert not isinstance(caught.value, Ahead)


def test_a_cosignature_on_something_else_does_not_count(tmp_path: Path) -> None:
    with witness(tmp_path) as one:
        other = ask(one, request(0, 3))
        asked = Cosigners(policy([one], ["https://w.example"]), lambda *_: other)
        with pytest.raises(Unavailable, match="does not hold"):
            asked.cosign(request(0, 5).note, request(0, 5).checkpoint, TILES, 0)
