"""Messages from topics of Kafka, with the offsets that say how far they were taken in.

Partitions are assigned, not shared out by a group: one process reads a home's topics, as one writer writes its
ledger. Offsets are kept by the broker under the group's name, and only moved by ``Stream.commit``. Source: Kafka's
protocol as librdkafka implements it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from troth.core.errors import BadInput, Place, Unavailable
from troth.intake.rows import Where

PATIENCE: Final = 30.0
"""Seconds that a broker may take to answer."""
_AGAIN: Final = 60.0  # seconds after which new partitions are looked for
_OURS: Final = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    # Where to begin is said for each partition. What the broker has thrown away unread is an error, not a leap.
    "auto.offset.reset": "error",
    "allow.auto.create.topics": False,
}


@dataclass(frozen=True, slots=True)
class Message:
    """One message: where it stands, key and value (either may be missing), its time in microseconds UTC."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    at: int | None

    @property
    def where(self) -> Where:
        """Its place in reports."""
        return Where(f"kafka:{self.topic}/{self.partition}", message=self.offset)

    @property
    def lane(self) -> tuple[str, int]:
        """Topic and partition: what messages have an order in."""
        return self.topic, self.partition


def read_options(path: Path) -> dict[str, str]:
    """Options for the client from a file of lines ``name=value``, as Kafka's own tools read.

    Raises:
        BadInput: it cannot be read, or a line is none; what stands in it is not said.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        raise BadInput("cannot be read", place=Place(str(path)), remedy="check the path") from None
    found = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise BadInput(
                "expected name=value",
                place=Place(str(path), number),
                remedy="write such as security.protocol=SSL",
            )
        found[name.strip()] = value.strip()
    return found


class Stream:
    """Topics, read from where the group stood.

    Args:
        options: of the client; ``bootstrap.servers`` is needed.
        topics: their names.
        group: under which name the broker keeps the offsets.

    Raises:
        BadInput: an option is unknown, or there is no such topic.
        Unavailable: the client is not installed, or no broker answers.
    """

    def __init__(self, options: Mapping[str, str], topics: Sequence[str], group: str) -> None:
        try:
            import confluent_kafka
        except ImportError:
            raise Unavailable(
                "Kafka cannot be read", remedy="install the extra: pip install 'troth[streams]'"
            ) from None
        self._library = confluent_kafka
        self._topics = tuple(dict.fromkeys(topics))
        self._ends: set[tuple[str, int]] = set()
        self._assigned: set[tuple[str, int]] = set()
        self._looked = 0.0
        try:
            self._consumer = confluent_kafka.Consumer(
                {**options, **_OURS, "group.id": group}, logger=logging.getLogger("troth.kafka")
            )
        except confluent_kafka.KafkaException as error:
            raise BadInput(
                f"the options for Kafka do not fit: {self._said(error)}",
                remedy="give host:port of a broker, and other options as librdkafka calls them",
            ) from None
        try:
            self._look()
        except BaseException:
            self._consumer.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    @property
    def at_end(self) -> bool:
        """Whether everything that was there has been handed out."""
        return self._ends >= self._assigned

    def take(self, count: int, seconds: float) -> list[Message]:
        """The next messages: so many at most, fewer when that time is over; those of a partition in order.

        Raises:
            Unavailable: the broker has thrown messages away unread, or refuses.
        """
        if time.monotonic() - self._looked > _AGAIN:
            self._looked = time.monotonic()
            # A broker that is away comes back; the client waits for it by itself.
            with suppress(Unavailable):
                self._look()
        error_code, found = self._library.KafkaError, []
        for one in self._consumer.consume(count, seconds):
            failed = one.error()
            lane = (one.topic(), one.partition())
            if failed is None:
                kind, at = one.timestamp()
                known = kind != self._library.TIMESTAMP_NOT_AVAILABLE
                self._ends.discard(lane)
                found.append(
                    Message(*lane, one.offset(), one.key(), one.value(), at * 1000 if known else None)
                )
            elif failed.code() == error_code._PARTITION_EOF:
                self._ends.add(lane)
            elif failed.code() == error_code._AUTO_OFFSET_RESET:
                raise Unavailable(
                    "messages that were never taken in are not there any more",
                    place=Place(f"kafka:{lane[0]}/{lane[1]}"),
                    remedy="get what is missing from where it came from; then move the group's offset by hand",
                )
            elif failed.fatal() or not failed.retriable():
                self._refuse(failed, lane)
        return found

    def commit(self, messages: Iterable[Message]) -> None:
        """Have the broker keep that these, and all before them, were taken in.

        Raises:
            Unavailable: the broker did not keep it; they come again then.
        """
        next_ones: dict[tuple[str, int], int] = {}
        for one in messages:
            next_ones[one.lane] = max(next_ones.get(one.lane, 0), one.offset + 1)
        if not next_ones:
            return
        offsets = [self._library.TopicPartition(*lane, offset) for lane, offset in next_ones.items()]
        try:
            kept = self._consumer.commit(offsets=offsets, asynchronous=False)
        except self._library.KafkaException as error:
            raise self._unavailable(error) from None
        failed = next((one.error for one in kept or () if one.error), None)
        if failed is not None:
            raise self._unavailable(self._library.KafkaException(failed))

    def _look(self) -> None:
        """Find the partitions; those that are new are read from where the group stood, or from their beginning."""
        try:
            there = {name: self._consumer.list_topics(name, PATIENCE).topics[name] for name in self._topics}
            for name, topic in there.items():
                if topic.error is not None or not topic.partitions:
                    raise BadInput(
                        "there is no such topic, or it may not be read",
                        place=Place(f"kafka:{name}"),
                        remedy="check its name and this user's rights",
                    )
            lanes = {(name, number) for name, topic in there.items() for number in topic.partitions}
            new = [self._library.TopicPartition(*lane) for lane in sorted(lanes - self._assigned)]
            stood = self._consumer.committed(new, timeout=PATIENCE) if new else []
        except self._library.KafkaException as error:
            raise self._unavailable(error) from None
        for one in stood:
            if one.error is not None:
                raise self._unavailable(self._library.KafkaException(one.error))
            if one.offset < 0:
                one.offset = self._library.OFFSET_BEGINNING
        if stood:
            self._consumer.incremental_assign(stood)
        self._assigned |= lanes
        self._looked = time.monotonic()

    def _refuse(self, failed: Any, lane: tuple[str | None, int | None]) -> None:  # noqa: ANN401 - of an extra
        raise Unavailable(
            f"Kafka refuses: {failed.str()}",
            place=Place(f"kafka:{lane[0]}/{lane[1]}" if lane[0] else "kafka"),
            remedy="check the broker and this user's rights",
        )

    def _unavailable(self, error: Any) -> Unavailable:  # noqa: ANN401 - of an extra
        return Unavailable(
            f"Kafka does not answer as expected: {self._said(error)}",
            remedy="check that the broker runs, its address, and this user's rights",
        )

    def _said(self, error: Any) -> str:  # noqa: ANN401 - of an extra
        """What the library says of an error: names of options, brokers and reasons, never values of options."""
        first = error.args[0] if error.args else error
        if isinstance(first, self._library.KafkaError):
            # The text of a wrong option quotes its value.
            return (
                str(first.name())
                if first.code() == self._library.KafkaError._INVALID_ARG
                else str(first.str())
            )
        return type(error).__name__
