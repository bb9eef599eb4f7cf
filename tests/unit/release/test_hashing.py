from __future__ import annotations

import hashlib
import importlib.util

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import require
from troth.release.hashing import by_datafusion, by_hashlib, hash_many

MESSAGES = st.lists(st.binary(max_size=300), max_size=20)


@given(MESSAGES, st.binary(max_size=70), st.binary(max_size=70))
def test_digests_are_sha_256(messages: list[bytes], prefix: bytes, suffix: bytes) -> None:
    digests = bytes(hash_many(pa.array(messages, pa.binary()), prefix, suffix))
    assert digests == b"".join(hashlib.sha256(prefix + one + suffix).digest() for one in messages)


@given(MESSAGES, st.integers(0, 20))
def test_a_slice_is_hashed_as_what_it_shows(messages: list[bytes], start: int) -> None:
    part = pa.array(messages, pa.binary()).slice(start)
    assert bytes(by_hashlib(part)) == b"".join(hashlib.sha256(one).digest() for one in messages[start:])


class TestDataFusion:
    @pytest.fixture(autouse=True)
    def installed(self) -> None:
        require(importlib.util.find_spec("datafusion") is not None, "the extra `fast`")

    @given(MESSAGES, st.integers(0, 20))
    def test_its_digests_are_those_of_hashlib(self, messages: list[bytes], start: int) -> None:
        hashed = by_datafusion()
        assert hashed is not None
        part = pa.array(messages, pa.binary()).slice(start)
        assert bytes(hashed(part)) == bytes(by_hashlib(part))

    def test_many_rows_come_back_in_their_order(self) -> None:
        hashed = by_datafusion()
        assert hashed is not None
        messages = pa.array([b"%d" % number for number in range(200_000)], pa.binary())
        assert bytes(hashed(messages)) == bytes(by_hashlib(messages))
