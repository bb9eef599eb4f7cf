"""Papers on a model's training data: AI Act Art. 53(1)(d), California's AB 2013, and a model card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from troth.core.values import format_instant
from troth.papers.facts import Facts, Released, Rows, Trained, category, contents, party, purpose, total
from troth.papers.paper import NOT_KNOWN, Field, Paper, Section, table

_BILLION: Final = 1_000_000_000

WORDS: Final = (
    ("ledger", "the record of what was promised, told, chosen and done; entries are only ever added to it"),
    ("entry", "one line of the ledger, named by its number from 0"),
    (
        "release",
        "a sealed copy of those records that one use was allowed to have; training reads nothing else",
    ),
    (
        "checkpoint",
        "a short fingerprint of all entries so far; whoever kept one sees if anything before it changes",
    ),
)

_NO_FOLDER: Final = "the ledger holds how many rows each release has, not which; name the releases' folders with --release to count"


def _size(content: Rows | None) -> Field:
    key, label = "1.3.text.size", "Size of the text data, as a band of tokens"
    if content is None:
        return Field(key, label, blank=_NO_FOLDER)
    if content.bytes >= _BILLION:
        return Field(
            key,
            label,
            blank=f"{content.bytes:,} bytes of text were counted; how many tokens they make depends on a"
            " tokenizer, of which the ledger says nothing",
        )
    return Field(
        key,
        label,
        "fewer than 1 billion tokens",
        query="sum of the UTF-8 bytes of titles and bodies in the releases' rows",
        note=f"{content.bytes:,} bytes of text were counted. A token stands for at least one byte, so there are no more"
        " tokens than that.",
    )


def _types(content: Rows | None, entries: tuple[int, ...], key: str, label: str) -> Field:
    if content is None:
        return Field(key, label, blank=_NO_FOLDER, entries=entries)
    return Field(
        key,
        label,
        table(("Kind of record", "Records"), [(category(name), count) for name, count in content.categories]),
        query="SELECT category, COUNT(*) FROM the releases' rows GROUP BY category",
        entries=entries,
    )


def _period(content: Rows | None, entries: tuple[int, ...], key: str, label: str) -> Field:
    if content is None or content.first is None or content.last is None:
        return Field(
            key, label, blank=_NO_FOLDER if content is None else "no row has a date", entries=entries
        )
    return Field(
        key,
        label,
        f"from {format_instant(content.first)[:10]} to {format_instant(content.last)[:10]}",
        query="SELECT MIN(created_at), MAX(created_at) FROM the releases' rows",
        entries=entries,
        note="The days on which the records were written.",
    )


def _content(releases: Sequence[Released]) -> Rows | None:
    found = contents(releases)
    return None if found is None else total(found)


def _entries(model: Trained, releases: Sequence[Released]) -> tuple[int, ...]:
    return (*(one.entry for one in releases), model.entry)


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _unknown(key: str, label: str, what: str) -> Field:
    return Field(key, label, blank=f"{NOT_KNOWN}: {what}")


def _none_of(key: str, label: str, what: str, entries: tuple[int, ...]) -> Field:
    return Field(
        key,
        label,
        blank=f"{NOT_KNOWN}: the releases that this model was trained from hold members' records alone, but"
        f" the ledger cannot show that {what} was used elsewhere or in a base model",
        entries=entries,
    )


def _model_section(facts: Facts, model: Trained) -> Section:
    others = [one.model for one in facts.models if one.model != model.model]
    dated = format_instant(facts.recorded(model.entry))[:10]
    return Section(
        "1. General information",
        (
            Field(
                "1.1.provider",
                "Name and contact of the provider",
                f"the operator of the log {facts.stand.origin}" if facts.stand.origin else None,
                blank=None
                if facts.stand.origin
                else f"{NOT_KNOWN}: the home has no public log, hence no name",
                note="The ledger knows the operator by the name of its public log; address and contact are not in it.",
            ),
            _unknown("1.1.representative", "Authorised representative in the Union", "no entry names one"),
            Field("1.2.model", "Versioned name of the model", model.model, entries=(model.entry,)),
            Field(
                "1.2.dependencies",
                "Models that it builds on",
                blank=f"{NOT_KNOWN}: a training entry names releases, no base model"
                if model.backend != "counts"
                else f"{NOT_KNOWN}: none is named by the training entry",
                entries=(model.entry,),
            ),
            Field(
                "1.2.trained",
                "Recorded as trained",
                dated,
                entries=(model.entry,),
                query="the time of the training entry",
                note="The day the ledger recorded it.",
            ),
            _unknown(
                "1.2.market",
                "Date placed on the Union market",
                "training is recorded, placing on the market is not",
            ),
            Field(
                "1.2.other",
                "Other models recorded in this ledger",
                tuple(others),
                query="training entries of other models",
                entries=tuple(one.entry for one in facts.models if one.model != model.model),
            ),
        ),
    )


def ai_act(facts: Facts, model: Trained) -> Paper:
    """The fields of the public summary of training content, AI Act Art. 53(1)(d) and the Commission's template."""
    releases = facts.releases_of(model)
    behind = _entries(model, releases)
    content = _content(releases)
    used = table(
        ("Release", "For", "Purpose", "As of", "Records", "Members"),
        [
            (
                one.release,
                party(one.use.recipient),
                purpose(one.use.purpose),
                one.at[:10],
                one.rows,
                one.members,
            )
            for one in releases
        ],
    )
    sections = (
        _model_section(facts, model),
        Section(
            "1.3 The data by kind",
            (
                _size(content),
                _types(content, behind, "1.3.text.types", "Types of text"),
                _period(
                    content, behind, "1.3.latest", "Period in which the data was written, with its latest day"
                ),
                Field(
                    "1.3.continuous",
                    "Is the model trained on and on?",
                    f"no: it was trained once, and made again without what was taken back {_times(len(model.unlearned))}",
                    entries=(model.entry, *(one for one, _ in model.unlearned)),
                    query="training and unlearning entries of the model",
                ),
                _unknown("1.3.languages", "Languages of the text", "records carry no language"),
                Field(
                    "1.3.other",
                    "Images, sound, video",
                    "none",
                    query="columns of a release: text alone",
                    entries=behind,
                ),
            ),
        ),
        Section(
            "2. Where the data came from",
            (
                _none_of("2.1", "2.1 Publicly available data sets", "none", behind),
                _none_of("2.2.1", "2.2.1 Data licensed from right holders", "none", behind),
                _none_of("2.2.2", "2.2.2 Other data sets of third parties", "none", behind),
                _none_of("2.3", "2.3 Data crawled from the web", "none", behind),
                Field(
                    "2.4.used",
                    "2.4 Data of users: was it used?",
                    "yes",
                    entries=behind,
                    query="the model's releases",
                ),
                Field(
                    "2.4.releases",
                    "2.4 Data of users: sealed releases that the model was trained from",
                    used,
                    entries=behind,
                    query="training entry of the model, entries of the releases that it names",
                ),
                _types(
                    content, behind, "2.4.services", "2.4 Data of users: parts of the service it came from"
                ),
                _unknown(
                    "2.4.interactions",
                    "2.4 Interactions with the model itself",
                    "prompts and answers are no records here",
                ),
                _none_of("2.5", "2.5 Synthetic data", "none", behind),
                _none_of("2.6", "2.6 Data from other sources", "none", behind),
            ),
        ),
        Section(
            "3. How the data was handled",
            (
                _reservations(releases),
                _unknown("3.2", "3.2 Measures against illegal content", "no entry speaks of them"),
                Field(
                    "3.3",
                    "3.3 Withdrawals honoured after training",
                    sum(count for _, count in model.unlearned),
                    entries=tuple(one for one, _ in model.unlearned),
                    query="withdrawal entries that the model's unlearning entries name",
                    note="Each time the model was made again without the records of whoever withdrew.",
                ),
            ),
        ),
    )
    return Paper(
        "ai-act",
        model.model,
        "Public summary of the content used for training",
        "the public and right holders, who have no inside knowledge",
        "Regulation (EU) 2024/1689 (AI Act), Art. 53(1)(d); the Commission's template of 24 July 2025",
        facts.stand,
        sections,
        words=WORDS,
    )


def _reservations(releases: Sequence[Released]) -> Field:
    label = "3.1 Reservations and refusals honoured: records left out of these releases, by first reason"
    counted = [one.manifest for one in releases if one.manifest is not None]
    if not counted or len(counted) != len(releases):
        return Field("3.1", label, blank=_NO_FOLDER)
    reasons: dict[str, int] = {}
    for manifest in counted:
        for reason, count in manifest.first_reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
    rows = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return Field(
        "3.1",
        label,
        table(
            ("Reason", "What it means", "Records"),
            [(reason, sentence(reason), count) for reason, count in rows],
        ),
        query="first_reasons in the signed manifests of the releases",
        entries=tuple(one.entry for one in releases),
        note="A record that several releases asked for is counted in each.",
    )


def sentence(reason: str) -> str:
    """What a reason means, in the catalogue's words."""
    from troth.core.catalogue import SENTENCES

    return next((said.lawyer for one, said in SENTENCES.items() if one.text == reason), "")


def ab2013(facts: Facts, model: Trained) -> Paper:
    """California's documentation of training data: Civ. Code s. 3111, item by item."""
    releases = facts.releases_of(model)
    behind = _entries(model, releases)
    content = _content(releases)
    rows = sum(one.rows for one in releases)
    later = [
        one for one in facts.releases if one.entry > model.entry and one.use in {r.use for r in releases}
    ]
    first_used = format_instant(facts.recorded(model.entry))[:10]
    sources = tuple(f"{one.release}: records of members, for {party(one.use.recipient)}" for one in releases)
    terms = facts.clauses_on("train")
    fields = (
        Field(
            "a1",
            "Sources or owners of the data sets",
            sources,
            entries=behind,
            query="releases that the training entry names",
            note="The members wrote the records; the operator keeps them.",
        ),
        Field(
            "a2",
            "How the data sets further the purpose of the system",
            tuple(sorted({purpose(one.use.purpose) for one in releases})),
            entries=behind,
            query="purposes of the releases",
        ),
        Field(
            "a3",
            "Number of data points",
            rows,
            entries=behind,
            query="sum of the rows of the releases; a record in two releases counts twice",
        ),
        _types(content, behind, "a4", "Types of data points"),
        _unknown(
            "a5",
            "Data protected by copyright, trademark or patent, or in the public domain",
            "no entry says what rights exist in a record",
        ),
        Field(
            "a6",
            "Were the data sets purchased or licensed?",
            table(
                ("Document", "Effect", "Sentence"),
                [(version, effect, quote) for _, version, effect, quote in terms],
            ),
            entries=tuple(position for position, *_ in terms),
            query="clauses of the recorded terms that speak of training",
            note="Nothing was bought as far as the ledger shows; these are the sentences that members were shown.",
        ),
        Field(
            "a7",
            "Do the data sets include personal information (Civ. Code s. 1798.140)?",
            "yes",
            entries=behind,
            query="every row has an author, who is a member",
            note=f"{sum(one.members for one in releases):,} places of members in these releases; a member in two releases counts twice.",
        ),
        _unknown(
            "a8",
            "Do the data sets include aggregate consumer information (Civ. Code s. 1798.140)?",
            "records are written by single members; whether one holds aggregates no entry says",
        ),
        Field(
            "a9",
            "Cleaning or modification, and its purpose",
            "records that the promises, the law or a member's choice forbid were left out, and so were those of which facts are missing; rows were not changed",
            entries=behind,
            query="how releases are sealed: the manifest counts what stayed out",
        ),
        _period(content, behind, "a10", "Period in which the data was collected"),
        Field(
            "a10.ongoing",
            "Does collection go on?",
            "yes: later releases for the same use are recorded"
            if later
            else "no later release for the same use is recorded",
            entries=tuple(one.entry for one in later),
            query="release entries after the training entry, for the same use",
        ),
        Field(
            "a11",
            "Date when the data sets were first used in development",
            first_used,
            entries=(model.entry,),
            query="the time of the training entry",
        ),
        _none_of("a12", "Synthetic data generation", "none", behind),
    )
    return Paper(
        "ab2013",
        model.model,
        "Documentation of training data",
        "the public in California",
        "California Civil Code s. 3110 and 3111 (AB 2013), in force since 1 January 2026",
        facts.stand,
        (Section("Data sets used to train the system", fields),),
        words=WORDS,
    )


def model_card(facts: Facts, model: Trained) -> Paper:
    """A section for a model card: what it was trained on, who was honoured, how that can be checked."""
    releases = facts.releases_of(model)
    behind = _entries(model, releases)
    honoured = sum(count for _, count in model.unlearned)
    fields = (
        Field("model", "Model", model.model, entries=(model.entry,)),
        Field(
            "trained",
            "Recorded as trained",
            format_instant(facts.recorded(model.entry))[:10],
            entries=(model.entry,),
            query="the time of the training entry",
        ),
        Field(
            "records",
            "Records it was trained on",
            sum(one.rows for one in releases),
            entries=behind,
            query="sum of the rows of its releases",
        ),
        Field(
            "releases",
            "Sealed releases",
            table(
                ("Release", "Records", "Members", "SHA-256 of the signed manifest"),
                [(one.release, one.rows, one.members, one.manifest_digest) for one in releases],
            ),
            entries=behind,
            query="release entries that the training entry names",
        ),
        Field(
            "unlearned",
            "Times it was made again without what was taken back",
            len(model.unlearned),
            entries=tuple(one for one, _ in model.unlearned),
            query="unlearning entries of the model",
        ),
        Field(
            "withdrawals",
            "Withdrawals honoured in it",
            honoured,
            entries=tuple(one for one, _ in model.unlearned),
            query="withdrawal entries that its unlearning entries name",
        ),
        _types(_content(releases), behind, "types", "Kinds of records"),
        _unknown(
            "evaluation",
            "Quality, bias and fitness",
            "the ledger says what a model was trained on, not how good it is",
        ),
    )
    return Paper(
        "model-card",
        model.model,
        f"Training data of the model {model.model}",
        "whoever wants to use the model",
        "the section “Training data” of a Hugging Face model card",
        facts.stand,
        (Section("Training data", fields),),
        document={"markdown": _markdown(facts, model, releases, honoured)},
        words=WORDS,
    )


def _markdown(facts: Facts, model: Trained, releases: Sequence[Released], honoured: int) -> str:
    lines = [
        "## Training data",
        "",
        (
            f"Trained on {sum(one.rows for one in releases):,} records in {len(releases)} sealed release"
            f"{'' if len(releases) == 1 else 's'}; what promises, law or a member's choice forbid was left out."
        ),
        "",
        "| release | records | members | SHA-256 of the signed manifest |",
        "|---|---:|---:|---|",
        *(
            f"| `{one.release}` | {one.rows:,} | {one.members:,} | `{one.manifest_digest}` |"
            for one in releases
        ),
        "",
        f"Made again without what was taken back {_times(len(model.unlearned))}; {honoured} withdrawals honoured.",
        f"Counted from the first {facts.stand.position:,} entries of the log `{facts.stand.origin}`.",
        "",
    ]
    return "\n".join(lines)
