from collections import Counter, defaultdict

from troth_network import Network
from troth_network.days import DAY, TODAY
from troth_network.records import SCHEMA, Record, make_records, to_table

DAMAGED = "imported-"


def whole(records: tuple[Record, ...], network: Network) -> list[Record]:
    """Records whose time and author nobody lost."""
    return [one for one in records if one.created_at is not None and one.author in network.by_id]


def test_all_kinds_are_there_in_good_numbers(network: Network) -> None:
    counts = Counter(record.category for record in network.records)
    assert len(network.records) == 12_000
    assert set(counts) == {
        "private_message.inmail",
        "private_message.direct",
        "private_message.group",
        "post",
        "comment",
        "post.article",
        "profile",
    }
    messages = sum(count for category, count in counts.items() if category.startswith("private_message"))
    assert 0.4 < messages / 12_000 < 0.7
    assert min(counts.values()) > 80


def test_ids_are_in_the_order_of_time_and_unique(network: Network) -> None:
    ids = [record.id for record in network.records]
    assert ids == sorted(set(ids))
    instants = [record.created_at for record in network.records if record.created_at is not None]
    assert instants == sorted(instants)


def test_nobody_writes_before_they_joined_or_after_they_left(network: Network) -> None:
    for record in whole(network.records, network):
        assert network.by_id[record.author or ""].active(record.created_at or 0)
        assert (record.created_at or 0) < TODAY


def test_only_those_who_pay_begin_an_inmail(network: Network) -> None:
    threads: dict[str, list[Record]] = defaultdict(list)
    for record in network.records:
        if record.category == "private_message.inmail":
            threads[record.conversation].append(record)
    assert len(threads) > 500
    for thread in threads.values():
        first = thread[0]
        if first in whole(tuple(thread), network) and len(thread) == sum(
            record.created_at is not None for record in thread
        ):
            author = network.by_id[first.author or ""]
            assert any(start <= (first.created_at or 0) < end for start, end in author.premium_spells)


def test_messages_have_addressees_and_open_content_has_none(network: Network) -> None:
    for record in network.records:
        is_message = record.category.startswith("private_message")
        assert bool(record.addressees) == is_message
        assert record.author not in record.addressees
        if not is_message or record.category != "private_message.group":
            assert len(record.addressees) <= 1


def test_conversations_join_posts_with_comments(network: Network) -> None:
    posts = {record.conversation for record in network.records if record.category == "post"}
    comments = [record for record in network.records if record.category == "comment"]
    assert sum(record.conversation in posts for record in comments) > 0.99 * len(comments)


def test_text_is_varied_and_names_its_topics(network: Network) -> None:
    bodies = {record.body for record in network.records}
    assert len(bodies) > 0.8 * len(network.records)
    assert not any("{" in body for body in bodies)
    topics = Counter(topic for record in network.records for topic in record.topics)
    assert set(topics) == {"recruiting", "compensation", "intellectual_property", "health"}


def test_some_records_are_damaged_as_real_ones_are(network: Network) -> None:
    records = network.records
    assert sum(record.created_at is None for record in records) > 10
    assert sum(record.author is None for record in records) > 5
    assert any((record.author or "").startswith(DAMAGED) for record in records)
    assert any("" in record.addressees for record in records)
    deleted = [record for record in records if record.deleted_at is not None]
    assert 0.02 < len(deleted) / len(records) < 0.04
    assert all(
        0 < (record.deleted_at or 0) - record.created_at <= 200 * DAY
        for record in deleted
        if record.created_at is not None
    )


def test_the_table_holds_every_record_in_troths_columns(network: Network) -> None:
    table = to_table(network.records[:500])
    table.validate(full=True)
    assert table.schema == SCHEMA
    assert table["salt"].null_count == 500
    first = table.slice(0, 1).to_pylist()[0]
    record = network.records[0]
    assert {name: first[name] for name in ("id", "category", "created_at", "author", "body")} == {
        "id": record.id,
        "category": record.category,
        "created_at": record.created_at,
        "author": record.author,
        "body": record.body,
    }
    assert tuple(first["addressees"]) == record.addressees


def test_records_of_members_who_never_pay_hold_no_inmail(network: Network) -> None:
    unpaid = [member for member in network.members if not member.premium_spells][:40]
    assert all(record.category != "private_message.inmail" for record in make_records(100, unpaid, seed=1))
