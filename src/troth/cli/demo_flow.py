"""The demo's hand-overs: each release given with a receipt, signed for by who gets it, recalled, and drawn.

The recipients of the reference network are played here, each with a key of its own and nothing of the home.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from troth_network.story import Story

_AGREEMENT = "agreement of {name} with Northlight: training on sealed releases, deletion when recalled\n"


def as_alleged(story: Story) -> str:
    """What left as alleged, drawn: no receipt, no signature."""
    from troth.app.flow import draw
    from troth_network.history import AFFILIATE, THIRD_PARTIES

    rows = len(story.disclosed)
    found: list[dict[str, Any]] = [
        {
            "receipt": name,
            "rests_on": None,
            "recipient": name,
            "release": "no release, no receipt",
            "rows": rows,
            "right": "no right",
            "countersigned": False,
            "depth": 0,
            "recalls": [],
            "cleared": True,
        }
        for name in (AFFILIATE, *THIRD_PARTIES)
    ]
    return draw(found, "As alleged: who received what")


def hand_over(story: Story) -> list[dict[str, Any]]:
    """Give each release of the story to whom it was decided for; they check it and sign. What left, as listed."""
    from troth.app import disclosures, recipients
    from troth.release.sign import new_key

    folder = story.folder / "recipients"
    folder.mkdir(exist_ok=True)
    for one in story.asked:
        if one.path is None or one.recipient == "operator":
            continue
        name = one.recipient.replace(":", "-")
        new_key(folder / f"{name}.key", folder / f"{name}.pub")
        (folder / f"{name}.txt").write_text(_AGREEMENT.format(name=one.recipient))
        (folder / f"{name}.yaml").write_text(
            f"recipient: {one.recipient}\nkeys: [{name}.pub]\ncontact: privacy@{name}.example\n"
            f"agreement: {{document: {name}-agreement, version: '1', file: {name}.txt}}\n"
        )
        recipients.add(story.home, folder / f"{name}.yaml")
        link = disclosures.disclose(story.home, str(one.path), one.recipient)
        receipt = folder / f"{name}.receipt.json"
        receipt.write_text(link.envelope)
        _sign(receipt, one.path, folder / f"{name}.key", story)
        disclosures.take_in(story.home, receipt)
    return disclosures.listed(story.home)


def _sign(receipt: Path, release: Path, key: Path, story: Story) -> None:
    """What the recipient does, with the folder that arrived and its own key."""
    from troth.app import disclosures

    disclosures.countersign(receipt, release, key, keys=[story.home.public_key_path])


def recall(story: Story) -> list[dict[str, Any]]:
    """Open what the withdrawal recalls, and have each recipient answer. What left, as listed."""
    from troth.app import disclosures, recalls

    folder = story.folder / "recipients"
    recalls.sync(story.home)
    for one in recalls.listed(story.home):
        name = str(one["recipient"]).replace(":", "-")
        notice, answer = recalls.path_of(story.home, str(one["recall"])), folder / f"{one['recall']}.ack.json"
        answer.write_bytes(recalls.acknowledge(notice, folder / f"{name}.key", [story.home.public_key_path]))
        recalls.take_in(story.home, answer)
    return disclosures.listed(story.home)


def drawn(found: list[dict[str, Any]], title: str) -> str:
    """A drawing for the page."""
    from troth.app.flow import draw

    return draw(found, title)
