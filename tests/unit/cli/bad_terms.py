"""Terms and events that cannot be taken: what is wrong, on which line, and whether a schema can tell."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bad:
    """One wrong file."""

    text: str
    line: int
    says: str
    schema: bool = True


GOOD = """\
# A comment, so that lines count.
terms: rules-of-the-house
kind: privacy_policy
version: "1"
published_at: 2020-01-01
effective_at: 2020-01-01
audience: {jurisdictions: [NO]}
notice_days: 0
clauses:
  - id: train
    effect: permit
    purposes: [train]
    categories: [post]
    recipients: [operator]
    condition: consent
"""


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


BAD = {
    "unknown key": Bad(changed("notice_days: 0", "notice_day: 0"), 8, "did you mean 'notice_days'?"),
    "unknown key in a clause": Bad(
        changed("    effect: permit", "    efect: permit"), 10, "'effect' is missing"
    ),
    "unknown key beside": Bad(
        changed("    condition: consent", "    conditions: consent"), 15, "did you mean"
    ),
    "missing key": Bad(changed("kind: privacy_policy\n", ""), 2, "add `kind: …`"),
    "no event": Bad("colour: red\n", 1, "expected one of the events"),
    "a list of words": Bad("- red\n", 1, "expected a mapping"),
    "text for a list": Bad(changed("[train]", "train"), 12, "expected a list, got 'train'"),
    "text for a number": Bad(changed("notice_days: 0", "notice_days: soon"), 8, "expected a whole number"),
    "a negative number": Bad(changed("notice_days: 0", "notice_days: -1"), 8, "whole number of 0 or more"),
    "a fraction": Bad(changed("notice_days: 0", "notice_days: 0.5"), 8, "expected a whole number"),
    "text for a mapping": Bad(changed("{jurisdictions: [NO]}", "everybody"), 7, "expected a mapping"),
    "a flag for text": Bad(changed('version: "1"', "version: true"), 4, "expected text, got true"),
    "a word for a flag": Bad(
        changed("condition: consent", "reaches_back: yes"), 15, "expected true or false"
    ),
    "no such kind": Bad(changed("privacy_policy", "privacy-policy"), 3, "did you mean privacy_policy?"),
    "no such effect": Bad(changed("permit", "allow"), 11, "expected one of permit, forbid, limit"),
    "no such place": Bad(changed("[NO]", "[Norway]"), 7, "Norway"),
    "no such purpose": Bad(changed("[train]", '["to train"]'), 12, "expected a purpose"),
    "no such recipient": Bad(changed("[operator]", "[everyone]"), 14, "third_party:NAME"),
    "a date of no form": Bad(
        changed("effective_at: 2020-01-01", "effective_at: 1.2.2020"), 6, "write ISO 8601"
    ),
    "a date of five digits": Bad(
        changed("effective_at: 2020-01-01", "effective_at: 10000-01-01"), 6, "expected an instant"
    ),
    "an impossible date": Bad(
        changed("effective_at: 2020-01-01", "effective_at: 2020-02-30"), 6, "out of range", schema=False
    ),
    "an impossible hour": Bad(
        changed("effective_at: 2020-01-01", "effective_at: 2020-01-01T25:00"), 6, "", schema=False
    ),
    "a permit in an answer": Bad(
        changed("privacy_policy", "faq"), 11, "a document of kind faq may only forbid"
    ),
    "a permit in an e-mail": Bad(changed("privacy_policy", "email"), 11, "may only forbid or limit"),
    "a condition on a forbid": Bad(changed("permit", "forbid"), 15, "a forbid has no condition"),
    "a limit that reaches back": Bad(
        changed("permit", "limit").replace("condition: consent", "reaches_back: true"),
        15,
        "does not reach back",
    ),
    "a condition of no kind": Bad(changed("condition: consent", "condition: maybe"), 15, "`{setting: ID}`"),
    "a setting that nothing defines": Bad(
        changed("condition: consent", "condition: {setting: nothing}"),
        2,
        "which no entry defines",
        schema=False,
    ),
    "two clauses of one name": Bad(
        GOOD
        + "  - {id: train, effect: forbid, purposes: [train], categories: [post], recipients: [operator]}\n",
        10,
        "two clauses are called 'train'",
        schema=False,
    ),
    "two versions of one name": Bad(f"{GOOD}---\n{GOOD}", 18, "is there already", schema=False),
    "yaml 1.1 on": Bad(
        "setting: s\nintroduced_at: 2020-01-01\ndefaults:\n  - {value: true}\n", 4, "expected one of on, off"
    ),
    "yaml 1.1 yes": Bad("rules:\n  closed_ends_use: yes\n", 2, "expected true or false, got 'yes'"),
    "yaml 1.1 octal": Bad("rules:\n  minimum_age: 0o22x\n", 2, "expected a whole number"),
    "a setting twice dated": Bad(
        "setting: s\nintroduced_at: 2020-01-01\nsince: 2021-01-01\n", 1, "either introduced_at"
    ),
    "new defaults of nothing": Bad(
        "# none\nsetting: s\nsince: 2021-01-01\n", 2, "no earlier entry", schema=False
    ),
    "a region that is none": Bad(
        "regime: {jurisdictions: [US], regime: optout}\n", 1, "did you mean opt_out?"
    ),
}

EVENTS = {
    "a notice of nothing": Bad(
        "- object: {subject: ann, at: 2020-01-01}\n"
        "- notice: {terms: none, version: '1', to: ann, at: 2020-01-01}\n",
        2,
        "no earlier entry defines version '1' of 'none'",
    ),
    "an acceptance of nothing": Bad(
        "accept: {terms: none, version: '1', subject: ann, at: 2020-01-01, manner: click}\n",
        1,
        "add the terms first",
    ),
    "a choice of nothing": Bad(
        "- choose: {subject: ann, setting: none, value: off, at: 2020-01-01}\n", 1, "add the setting first"
    ),
    "a withdrawal of nothing": Bad(
        "\n- withdraw: {subject: ann, consent: c9, at: 2020-01-01}\n", 2, "has given no consent called 'c9'"
    ),
    "a withdrawal of somebody else's": Bad(
        "- consent: {id: c1, subject: ann, purposes: [train], categories: [post], recipients: [operator],"
        " at: 2020-01-01}\n"
        "- withdraw: {subject: bob, consent: c1, at: 2020-01-01}\n",
        2,
        "bob has given no consent",
    ),
    "two consents of one name": Bad(
        2
        * (
            "- consent: {id: c1, subject: ann, purposes: [train], categories: [post], recipients: [operator],"
            " at: 2020-01-01}\n"
        ),
        2,
        "give each consent an id of its own",
    ),
}
