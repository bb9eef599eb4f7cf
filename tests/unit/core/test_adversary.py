"""An operator who cheats in every way it can: no account ever has both a presence and an absence that verify.

The operator makes directories and sets as it likes (unsorted, repeated, in the wrong bucket, of an older epoch, with
a rebound secret), signs any manifest over them, and puts together any proof from what it has made.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from tests.unit.core.setworld import (
    RELEASE,
    Tree,
    bound_of,
    check,
    credential,
    details_of,
    directory_of,
    item_of,
    manifest_of,
    set_of,
    signed,
)
from troth.core.presence import Proof
from troth.core.sets import Credential, DirectoryBucket, SetBucket, bucket_of, details_digest
from troth.core.verify import Signed

MEMBERS = 6
member = st.integers(0, MEMBERS - 1)
some = st.sets(member, max_size=MEMBERS)
bits = st.integers(0, 2)


def swapped(tree: Tree, one: int, other: int) -> Tree:
    """A tree with two buckets moved into each other's place."""
    entries = list(tree.entries)
    one, other = one % len(entries), other % len(entries)
    entries[one], entries[other] = entries[other], entries[one]
    return Tree(tuple(entries))


class Adversary(RuleBasedStateMachine):
    directories = Bundle("directories")
    sets = Bundle("sets")
    manifests = Bundle("manifests")

    def __init__(self) -> None:
        super().__init__()
        self.accepted: dict[tuple[str, bytes], set[str]] = defaultdict(set)

    @initialize(target=directories)
    def first_epoch(self) -> Tree:
        return directory_of(map(bound_of, range(MEMBERS)), 1)

    @initialize(target=sets)
    def first_set(self) -> Tree:
        return set_of(map(item_of, range(0, MEMBERS, 2)), 1)

    # making

    @rule(target=directories, members=some, bits=bits)
    def seal_epoch(self, members: set[int], bits: int) -> Tree:
        return directory_of(map(bound_of, members), bits)

    @rule(target=directories, members=some, victim=member, thief=member, bits=bits)
    def rebind(self, members: set[int], victim: int, thief: int, bits: int) -> Tree:
        """The account gets another secret, beside its own or in its place."""
        return directory_of({*map(bound_of, members), (bound_of(victim)[0], bound_of(thief)[1])}, bits)

    @rule(target=directories, listed=st.lists(member, max_size=4), other=st.lists(member, max_size=4))
    def scribble_directory(self, listed: list[int], other: list[int]) -> Tree:
        """Buckets with anything in them, in any order, as often as one likes."""
        buckets = (DirectoryBucket(tuple(map(bound_of, one))).write() for one in (listed, other))
        return Tree(tuple(buckets))

    @rule(target=sets, members=some, bits=bits)
    def make_set(self, members: set[int], bits: int) -> Tree:
        return set_of(map(item_of, members), bits)

    @rule(target=sets, listed=st.lists(member, max_size=4), other=st.lists(member, max_size=4))
    def scribble_set(self, listed: list[int], other: list[int]) -> Tree:
        buckets = []
        for one in (listed, other):
            items = [item_of(number) for number in one]
            digest = details_digest(detail for _, detail in items)
            buckets.append(SetBucket(tuple(tag for tag, _ in items), digest).write())
        return Tree(tuple(buckets))

    @rule(target=directories, tree=consumes(directories), one=member, other=member)
    def move_labels(self, tree: Tree, one: int, other: int) -> Tree:
        return swapped(tree, one, other)

    @rule(target=sets, tree=consumes(sets), one=member, other=member)
    def move_tags(self, tree: Tree, one: int, other: int) -> Tree:
        return swapped(tree, one, other)

    @rule(target=manifests, chosen=sets, directory=directories, stated=st.none() | bits)
    def sign(self, chosen: Tree, directory: Tree, stated: int | None) -> tuple[Signed, Tree, Tree]:
        return signed(manifest_of(chosen, directory, stated)), chosen, directory

    # proving

    @rule(
        made=manifests,
        account=member,
        secret=member,
        looks=st.tuples(st.none() | member, st.none() | member),
        claims=st.booleans(),
        shown=st.none() | st.tuples(sets, directories),
        old_head=st.booleans(),
    )
    def claim(
        self,
        made: tuple[Signed, Tree, Tree],
        account: int,
        secret: int,
        looks: tuple[int | None, int | None],
        claims: bool,
        shown: tuple[Tree, Tree] | None,
        old_head: bool,
    ) -> None:
        """Any account with any secret, opened at the right place or another, of these trees or others."""
        against, chosen, directory = made
        chosen, directory = shown or (chosen, directory)
        own = Credential(credential(account).account, credential(secret).secret)
        tag = own.tag(RELEASE)
        place = bucket_of(tag, chosen.bits) if looks[0] is None else looks[0] % len(chosen.entries)
        label = (
            bucket_of(own.label, directory.bits) if looks[1] is None else looks[1] % len(directory.entries)
        )
        proof = Proof(RELEASE, against.digest, own, directory.open(label), chosen.open(place))
        if claims:
            bucket = chosen.entries[place]
            tags = [bucket[at : at + 16] for at in range(2, len(bucket) - 32, 16)]
            known = dict(map(item_of, range(MEMBERS)))
            others = tuple(known[one] for one in tags if one != tag)
            details = replace(details_of(secret), head=0) if old_head else details_of(secret)
            proof = replace(proof, details=details, others=others)
        if check(proof.write(), against).ok:
            self.accepted[against.digest, own.account].add(proof.claim)

    @rule(made=manifests, account=member)
    def claim_honestly(self, made: tuple[Signed, Tree, Tree], account: int) -> None:
        for claims in (False, True):
            self.claim(made, account, account, (None, None), claims, None, False)

    @invariant()
    def never_both(self) -> None:
        assert all(len(claims) == 1 for claims in self.accepted.values())


Adversary.TestCase.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
TestAdversary = Adversary.TestCase


def test_the_machine_can_accept_both_kinds() -> None:
    """Or its invariant would hold for nothing."""
    machine = Adversary()
    chosen = set_of(map(item_of, range(0, MEMBERS, 2)), 1)
    directory = directory_of(map(bound_of, range(MEMBERS)), 1)
    made = signed(manifest_of(chosen, directory)), chosen, directory
    for account in range(MEMBERS):
        machine.claim_honestly(made, account)
    found = sorted(claim for claims in machine.accepted.values() for claim in claims)
    assert found == ["absence"] * 3 + ["presence"] * 3
