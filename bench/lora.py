"""What taking records out costs, and what sharding costs in quality: ``python -m bench.lora --help``.

Plan: arithmetic alone, on who wrote what to whom in real mail. Quality: adapters on a tiny base, on held-out mail.
"""

from __future__ import annotations

import bisect
import json
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from bench.mail_graph import Mail, enron, joined, louvain, mailing_list, small_groups
from bench.measure import machine
from troth.core.shards import Frozen, Item, Plan, shard_of, slice_of

if TYPE_CHECKING:
    from troth.learning.lora.backend import Lora
    from troth.learning.lora.serving import LoraModel

RESULTS: Final = Path(__file__).with_name("results")
MESSAGES: Final = Path(__file__).parents[2] / "shared" / "data" / "messages"
SHARDS, SLICES = 64, 8
KEY: Final = bytes(32)
KEYS: Final = [bytes([number]) * 32 for number in range(5)]
"""Messages are placed by several plans, since which groups share a shard is chance."""

Part = tuple[int, int]


# --- the plan -----------------------------------------------------------------------------------


class Placed:
    """Records in their parts, by size in bytes, and whose they are."""

    def __init__(self, items: Iterable[tuple[Item, int]], plan: Plan, frozen: Frozen) -> None:
        self.plan = plan
        self.parts: dict[Part, int] = defaultdict(int)
        self.of: dict[str, dict[Part, int]] = defaultdict(lambda: defaultdict(int))
        self.records: list[tuple[Part, int]] = []
        for item, size in items:
            part = shard_of(plan, item, frozen), slice_of(plan, item, frozen)
            self.parts[part] += size
            self.records.append((part, size))
            for one in item.parties:
                self.of[one][part] += size
        self.total = sum(self.parts.values())

    def cost(self, gone: dict[Part, int]) -> tuple[float, int]:
        """The share of the training of all that is left which is done again, and the shards it touches."""
        first: dict[int, int] = {}
        for shard, slice_ in gone:
            first[shard] = min(slice_, first.get(shard, slice_))
        redone = sum(
            self.parts.get((shard, at), 0) - gone.get((shard, at), 0)
            for shard, start in first.items()
            for at in range(start, self.plan.slices)
        )
        return redone / max(1, self.total - sum(gone.values())), len(first)

    def members(self, who: Collection[str] | None = None) -> dict[str, Any]:
        """The cost of a member's withdrawal, over members."""
        found = [self.cost(self.of[one]) for one in sorted(self.of if who is None else who) if one in self.of]
        return _spread([share for share, _ in found], [shards for _, shards in found])

    def single(self) -> dict[str, Any]:
        """The cost of taking out one record, over all records."""
        found = [self.cost({part: size})[0] for part, size in self.records]
        return _spread(found, [1])

    def biggest_shard(self) -> float:
        """The share of the data that is in the biggest shard."""
        by_shard: dict[int, int] = defaultdict(int)
        for (shard, _), size in self.parts.items():
            by_shard[shard] += size
        return max(by_shard.values()) / self.total


def _spread(shares: Sequence[float], shards: Sequence[int]) -> dict[str, Any]:
    ordered = sorted(shares)
    return {
        "mean": statistics.fmean(ordered),
        "median": statistics.median(ordered),
        "p90": ordered[int(0.9 * (len(ordered) - 1))],
        "max": ordered[-1],
        "shards_mean": statistics.fmean(shards),
        "shards_max": max(shards),
        "count": len(ordered),
    }


def _mean(found: list[dict[str, Any]]) -> dict[str, Any]:
    mean = {name: statistics.fmean(one[name] for one in found) for name in found[0]}
    return mean | {"shards_max": max(one["shards_max"] for one in found)}


def posts(mails: list[Mail]) -> dict[str, Any]:
    """Posts by authors: uniform, and with members ordered by a risk that a predictor knows more or less well."""
    found: dict[str, Any] = {}
    items = [(mail.as_post(), mail.size) for mail in mails]
    uniform = [Placed(items, Plan(key, SHARDS, SLICES), Frozen()) for key in KEYS]
    found["all of a member's, uniform"] = _mean([one.members() for one in uniform])
    found["one post, uniform (heavy writers count by their posts)"] = _mean([one.single() for one in uniform])
    authors = sorted({mail.author for mail in mails})
    for area in (0.7, 0.8, 0.85, 0.9):
        costs = []
        for number, key in enumerate(KEYS):
            draw = random.Random(number)  # noqa: S311 - seeded draws
            risks, leavers = _predicted(authors, area, draw)
            placed = Placed(items, Plan(key, SHARDS, SLICES, SLICES), Frozen(risks=risks))
            costs.append(placed.members(leavers))
        found[f"all of a member's, by risk, predictor of AUC {area}"] = _mean(costs)
    return found


BEGINS: Final = [1 - (1 - at / SLICES) ** 1.5 for at in range(SLICES)]
"""At which share of the people, ordered by risk, each class begins: closer to each other where most leavers are."""


def _predicted(people: list[str], area: float, draw: random.Random) -> tuple[dict[str, int], list[str]]:
    """Risk classes (by score, see ``BEGINS``), and who leaves: a tenth, whom the score picks out so well.

    Two normal scores of equal spread, apart by d, have an area under the curve of Φ(d / √2).
    """
    apart = statistics.NormalDist().inv_cdf(area) * 2**0.5
    leavers = draw.sample(people, max(1, len(people) // 10))
    leaving = set(leavers)
    scores = {one: draw.gauss(apart if one in leaving else 0, 1) for one in people}
    ranked = sorted(people, key=lambda one: scores[one])
    return {
        one: bisect.bisect_right(BEGINS, rank / len(ranked)) - 1 for rank, one in enumerate(ranked)
    }, leavers


def messages(mails: list[Mail]) -> dict[str, Any]:
    """Messages of two people, in random shards and by communities of several finenesses."""
    two = [mail for mail in mails if len(mail.addressees) == 1]
    items = [(mail.as_message(), mail.size) for mail in two]
    people = {one for mail in two for one in (mail.author, *mail.addressees)}
    conversations = {mail.pair for mail in two}
    partners: dict[str, set[str]] = defaultdict(set)
    for mail in two:
        partners[mail.author].add(mail.addressees[0])
        partners[mail.addressees[0]].add(mail.author)
    active = [one for one in people if len(partners[one]) >= ACTIVE]
    found: dict[str, Any] = {
        "about": {
            "messages": len(two), "people": len(people), "conversations": len(conversations), "active": len(active),
        }
    }  # fmt: skip
    history = two[: len(two) // 2]
    ways: dict[str, Frozen] = {"conversations at random": Frozen()}
    for resolution in (1.0, 4.0, 16.0):
        ways[f"communities of the first half, resolution {resolution:g}"] = joined(
            two, louvain(history, resolution)
        )
    ways["communities of all mail, resolution 4 (sees the future; for comparison)"] = joined(
        two, louvain(two, 4.0)
    )
    for most in (1, 8, 16, 32):
        ways[f"groups of at most {most}, filled as people join"] = small_groups(two, most)
    for name, frozen in ways.items():
        placed = [Placed(items, Plan(key, SHARDS, SLICES), frozen) for key in KEYS]
        found[name] = {
            "all": _mean([one.members() for one in placed]),
            "active": _mean([one.members(active) for one in placed]),
            "biggest": statistics.fmean(one.biggest_shard() for one in placed),
        }
    return found


ACTIVE: Final = 10
"""A member with at least so many conversations is called active."""


def policies(rounds: int = 200) -> dict[str, Any]:
    """SISA and S3T beside ours: cost of a removal, and how many removals a set of shards can stand.

    SISA (Bourtoule et al. 2021) trains each slice together with all before it, S3T (Chowdhury et al., ICLR 2025) a
    layer for each slice, in several orders of the slices; it switches layers off, trains nothing again, and
    serves, of each shard, the longest beginning that nobody left. Removals are of one record each, uniform.
    """
    draw = random.Random(3)  # noqa: S311 - the same
    cumulative = sum(range(1, SLICES + 1))
    sisa = statistics.fmean(sum(range(at, SLICES + 1)) / cumulative for at in range(1, SLICES + 1)) / SHARDS
    ours = statistics.fmean((SLICES - at) / SLICES for at in range(SLICES)) / SHARDS
    found: dict[str, Any] = {
        "removal of one record, share of training": {"Troth": ours, "SISA": sisa, "S3T": 0.0},
        "orders": {},
    }
    for orders in (1, 2, 4, 6, 8):
        ends, halves = [], []
        for _ in range(rounds):
            half, end = _until_worn(orders, draw)
            halves.append(half)
            ends.append(end)
        found["orders"][str(orders)] = {
            "training": orders,
            "removals until half of the data serves": statistics.fmean(halves),
            "removals until a shard serves nothing": statistics.fmean(ends),
        }
    return found


def _until_worn(orders: int, draw: random.Random) -> tuple[int, int]:
    turned = [[(at + turn * SLICES // orders) % SLICES for at in range(SLICES)] for turn in range(orders)]
    hit: list[set[int]] = [set() for _ in range(SHARDS)]
    serving = [SLICES] * SHARDS
    removals = half = end = 0
    while not (half and end):
        removals += 1
        shard = draw.randrange(SHARDS)
        hit[shard].add(draw.randrange(SLICES))
        serving[shard] = max(_beginning(order, hit[shard]) for order in turned)
        if not end and not serving[shard]:
            end = removals
        if not half and sum(serving) * 2 <= SHARDS * SLICES:
            half = removals
    return half, end


def _beginning(order: list[int], hit: set[int]) -> int:
    return next((at for at, slice_ in enumerate(order) if slice_ in hit), len(order))


# --- quality ------------------------------------------------------------------------------------


class Shelf:
    """Texts as a backend takes them."""

    def __init__(self, mails: list[Mail]) -> None:
        self.ids = [mail.id for mail in mails]
        self._mails = mails

    def __len__(self) -> int:
        return len(self.ids)

    def text(self, at: int) -> bytes:
        """The text of a mail."""
        return _cut(self._mails[at])


MOST: Final = 1500
"""Bytes of a mail that count: quoted threads would otherwise be most of the work."""


def _cut(mail: Mail) -> bytes:
    return mail.text.encode("utf-8", "replace")[:MOST]


@dataclass(frozen=True, slots=True)
class Arm:
    """Adapters to compare: how many shards, how many pieces in a step, the learning rate, and how it is served.

    What is tried, not what was tuned: nothing was chosen by the mail that is held out.
    """

    name: str
    shards: int
    batch: int = 8
    rate: str = "0.005"
    strengths: tuple[float, ...] = (1.0,)


ARMS: Final = [
    Arm("one adapter", 1),
    Arm("4 shards by groups", 4, strengths=(1.0, 1.5)),
    Arm("8 shards by groups", 8, strengths=(1.0, 1.5)),
    Arm("64 shards by groups, batches of 2", 64, 2, "0.006", strengths=(1.0, 2.0)),
]
BESIDE: Final = 0.3
"""Routed with the mean beside it, a shard's own adapter counts so much."""


def quality(
    folder: Path, base: Path, mails: list[Mail], options: dict[str, Any], skip: int, arms: Sequence[Arm]
) -> dict[str, Any]:
    """One adapter for all, against adapters of shards, trained once on the same mail."""
    from troth.learning.lora.backend import Lora
    from troth.learning.lora.serving import Mix

    two = [mail for mail in mails if len(mail.addressees) == 1]
    random.Random(11).shuffle(two)  # noqa: S311 - the same
    kept = two[skip : skip + options.pop("mails")]
    held, train = kept[: options["held"]], kept[options.pop("held") :]
    frozen = small_groups(sorted(train, key=lambda mail: (mail.date, mail.id)), 16)
    backend = Lora()
    found: dict[str, Any] = {
        "mails": len(train),
        "bytes": sum(len(_cut(mail)) for mail in train),
        "held": len(held),
    }
    plain = backend.configure({**options, "base": str(base)})
    found["base"] = _bits(backend.open({}, plain), held)
    for arm in arms:
        started = time.process_time()
        configuration = {**plain, "batch": arm.batch, "learning_rate": arm.rate}
        chosen = frozen if arm.shards > 1 else Frozen()
        plan = Plan(KEY, arm.shards, SLICES)
        to = folder / arm.name.replace(" ", "-")
        opened = _trained(to, backend, configuration, train, plan, chosen)
        found[arm.name] = {"cpu_seconds": time.process_time() - started}
        for strength in arm.strengths:
            opened.mix = Mix(strength=strength)
            found[arm.name][f"averaged, strength {strength:g}"] = _bits(opened.route(None), held)
        if arm.shards > 1:
            found[arm.name]["routed"] = _routed(opened, held, plan, chosen)
            opened.mix = Mix(own=BESIDE, shared=1.0)
            found[arm.name][f"routed, {BESIDE:g} of its own beside the mean"] = _routed(
                opened, held, plan, chosen
            )
        click.echo(f"{arm.name}: {json.dumps(found[arm.name])}", err=True)
    return found


def _trained(
    folder: Path,
    backend: Lora,
    configuration: dict[str, Any],
    mails: list[Mail],
    plan: Plan,
    frozen: Frozen,
) -> LoraModel:
    from troth.learning.backend import Work

    parts: dict[Part, list[Mail]] = defaultdict(list)
    for mail in mails:
        parts[shard_of(plan, mail.as_message(), frozen), slice_of(plan, mail.as_message(), frozen)].append(
            mail
        )
    last: dict[int, list[Path]] = {}
    for shard in sorted({shard for shard, _ in parts}):
        before: Path | None = None
        for slice_ in range(plan.slices):
            out = folder / f"{shard}-{slice_}"
            out.mkdir(parents=True)
            shelf = Shelf(parts[shard, slice_])
            backend.train(Work(plan, shard, slice_, shelf, configuration, before, out, _nothing, _never))
            before = out
        last[shard] = [out]
    return backend.open(last, configuration)


def _bits(model: LoraModel, mails: list[Mail]) -> float:
    return float(model.bits_per_byte(_cut(mail) for mail in mails))


def _routed(model: LoraModel, held: list[Mail], plan: Plan, frozen: Frozen) -> float:
    """Each mail to the shard that its conversation, or else its author's community, would be trained in."""
    by_shard: dict[int, list[Mail]] = defaultdict(list)
    for mail in held:
        where = frozen.conversations.get(mail.pair) or frozen.communities.get(mail.author)
        way = Frozen(conversations={mail.pair: where}) if where else frozen
        by_shard[shard_of(plan, mail.as_message(), way)].append(mail)
    bits = size = 0.0
    for shard, mails in sorted(by_shard.items()):
        length = sum(len(_cut(mail)) for mail in mails)
        bits += _bits(model.route(shard), mails) * length
        size += length
    return bits / size


def _nothing(_done: int, _total: int | None) -> None:
    pass


def _never() -> None:
    pass


def make_base(folder: Path, mails: list[Mail], steps: int) -> Path:
    """A tiny Llama (0.36 million numbers, bytes), trained on the public list's mail."""
    import torch

    from troth.learning.lora import tiny

    torch.set_num_threads(1)
    torch.manual_seed(0)
    tiny.make_base(folder)
    draw = random.Random(5)  # noqa: S311 - the same
    texts = [_cut(mail).decode("utf-8", "replace") for mail in draw.sample(mails, min(len(mails), 6000))]
    tiny.pretrain(folder, texts, steps=steps, batch=8, length=128)
    return folder


# --- saying so ----------------------------------------------------------------------------------


def table(found: dict[str, Any]) -> str:
    """What was found, as Markdown."""
    lines: list[str] = []
    for graph in ("enron", "linux-mips"):
        if graph not in found:
            continue
        lines += [f"## Share of training done again, {SHARDS} shards × {SLICES} slices: {graph}", ""]
        lines += [
            "| what leaves | mean | median | 90% | worst | shards touched, mean (most) |",
            "|---|---|---|---|---|---|",
        ]
        for name, one in found[graph].get("posts", {}).items():
            lines.append(_row(f"posts: {name}", one))
        for name, one in found[graph]["messages"].items():
            if name == "about":
                continue
            lines.append(_row(f"messages of two, {name}: a member's", one["all"]))
            lines.append(_row(f"— of a member with {ACTIVE} conversations or more", one["active"]))
            lines.append(f"| — biggest shard holds | {one['biggest']:.1%} | | | | |")
        about = found[graph]["messages"]["about"]
        lines += ["", f"Messages of two people: {about}.", ""]
    if "policies" in found:
        lines += _policy_lines(found["policies"])
    if "quality" in found:
        lines += _quality_lines(found["quality"])
    return "\n".join(lines)


def _row(name: str, one: dict[str, Any]) -> str:
    shares = " | ".join(f"{one[key]:.2%}" for key in ("mean", "median", "p90", "max"))
    return f"| {name} | {shares} | {one['shards_mean']:.1f} ({one['shards_max']}) |"


def _policy_lines(found: dict[str, Any]) -> list[str]:
    shares = found["removal of one record, share of training"]
    lines = [
        "## Policies",
        "",
        "One record leaves: " + ", ".join(f"{one} {share:.2%}" for one, share in shares.items()),
        "",
    ]
    lines += [
        "| S3T: orders | training | removals until half of the data serves | until a shard serves nothing |"
    ]
    lines += ["|---|---|---|---|"]
    for orders, one in found["orders"].items():
        half, end = (
            one[f"removals until {what}"] for what in ("half of the data serves", "a shard serves nothing")
        )
        lines.append(f"| {orders} | {orders}× | {half:.0f} | {end:.0f} |")
    return [*lines, "", "Troth and SISA train again, so the number of removals is not limited.", ""]


def _quality_lines(found: dict[str, Any]) -> list[str]:
    base, whole = found["base"], found["one adapter"]["averaged, strength 1"]
    lines = [
        "## Held-out mail (bits per byte)",
        "",
        f"{found['mails']} mails, {found['bytes']} bytes, each seen once; {found['held']} held out.",
        f"Base {base:.4f}; one adapter {whole:.4f}, better by {1 - whole / base:.1%}.",
        "",
        "| adapters | served | bits per byte | share of the improvement kept | CPU seconds |",
        "|---|---|---|---|---|",
    ]
    for name, one in found.items():
        if isinstance(one, dict):
            for way, bits in one.items():
                if way != "cpu_seconds":
                    kept = (base - bits) / (base - whole)
                    lines.append(f"| {name} | {way} | {bits:.4f} | {kept:.0%} | {one['cpu_seconds']:.0f} |")
    return [*lines, ""]


@click.command()
@click.option("--messages", "source", type=click.Path(path_type=Path), default=MESSAGES, show_default=True)
@click.option("--only", type=click.Choice(["plan", "quality"]), help="One of the two parts.")
@click.option("--base-steps", default=600, show_default=True)
@click.option("--mails", default=700, show_default=True)
@click.option("--held", default=100, show_default=True)
@click.option(
    "--skip", default=1100, show_default=True, help="Mails at the beginning that settings were chosen on."
)
@click.option("--name", default="lora", show_default=True, help="Name of the files in bench/results.")
def main(
    source: Path,
    only: str | None,
    base_steps: int,
    mails: int,
    held: int,
    skip: int,
    name: str,
) -> None:
    """Measure, print tables, and write them to bench/results."""
    found: dict[str, Any] = {"machine": machine()}
    private, public = enron(source / "enron.jsonl.gz"), mailing_list(source / "linux-mips.jsonl.gz")
    if only != "quality":
        found["enron"] = {"messages": messages(private)}
        found["linux-mips"] = {"posts": posts(public), "messages": messages(public)}
        found["policies"] = policies()
    if only != "plan":
        options: dict[str, Any] = {
            "mode": "pinned", "length": 128, "mails": mails, "held": held,
        }  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            base = make_base(Path(folder) / "base", public, base_steps)
            found["quality"] = quality(Path(folder), base, private, options, skip, ARMS)
    _write(found, name)


def _write(found: dict[str, Any], name: str) -> None:
    day, text = datetime.now(UTC).date().isoformat(), table(found)
    click.echo(text)
    RESULTS.mkdir(exist_ok=True)
    head = f"# Taking out of adapters, {day}\n\nMade by `python -m bench.lora` on: {json.dumps(found['machine'])}\n\n"
    (RESULTS / f"{day}-{name}.md").write_text(head + text + "\n", encoding="utf-8")
    (RESULTS / f"{day}-{name}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    click.echo(f"written to bench/results/{day}-{name}.md")


if __name__ == "__main__":
    main()
