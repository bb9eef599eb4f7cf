"""Consent records and receipts: ISO/IEC TS 27560:2023 in the W3C Data Privacy Vocabulary, as JSON-LD.

An opt-out or an objection is not consent and is not written as one: they stand as ``dpv:OptingOutFromProcess`` and
``dpv:ObjectingToProcess``. The shapes that these documents keep are in ``shapes.ttl`` beside this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from troth.core.events import Choose, Consent, MemberEvent, Objection, Withdraw
from troth.core.standing import Placed, Standing
from troth.core.values import any_covers, any_covers_any, format_instant
from troth.core.written import Json
from troth.papers.facts import Facts, category, party, purpose
from troth.papers.model_forms import WORDS
from troth.papers.paper import NOT_KNOWN, Field, Paper, Section

CONTEXT: Final[dict[str, Json]] = {
    "dpv": "https://w3id.org/dpv#",
    "ai": "https://w3id.org/dpv/ai#",
    "loc": "https://w3id.org/dpv/loc#",
    "dct": "http://purl.org/dc/terms/",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "troth": "urn:troth:terms#",
}
SCHEMA: Final = "https://w3id.org/dpv/schema/dpv-27560"
STATES: Final = {
    "ConsentGiven": "given",
    "RenewedConsentGiven": "given anew",
    "ConsentWithdrawn": "withdrawn",
    "ConsentExpired": "expired",
    "OptingInToProcess": "switched on (a setting, no consent)",
    "OptingOutFromProcess": "switched off: opted out (no consent)",
    "ObjectingToProcess": "objected (no consent)",
}


@dataclass(frozen=True, slots=True)
class _State:
    """One state of one record: its DPV term, from when, by whom, the entry (None: time alone brought it about)."""

    term: str
    at: int
    by: str
    entry: int | None


def consent_paper(facts: Facts, subject: str, *, receipt: bool = False) -> Paper:
    """A member's consents and other choices as records (kept by the operator) or receipts (for the member)."""
    standing = Standing(facts.known, facts.known.member(subject), facts.stand.time)
    history = facts.known.member(subject)
    sections: list[Section] = []
    nodes: list[Json] = []
    for position, event in history:
        if isinstance(event, Consent):
            states = _states(history, position, event, facts.stand.time)
            notices = _notices(standing, event)
            sections.append(_section(facts, standing, (position, event), states, notices))
            nodes.append(_node(facts, standing, (position, event), states, notices, receipt=receipt))
    others = _others(history)
    if others:
        sections.append(_choices(others))
        nodes += [_choice_node(subject, one, what) for one, what in others]
    if not sections:
        sections.append(
            Section(
                "Consents",
                (
                    Field(
                        "none",
                        "Consents and choices",
                        "none recorded",
                        query="all entries under this account",
                    ),
                ),
            )
        )
    what = "receipt" if receipt else "record"
    return Paper(
        f"consent-{what}",
        subject,
        "Your consents and choices" if receipt else "Consent record",
        "the member" if receipt else "the operator's files, for the member and the authority",
        "ISO/IEC TS 27560:2023, after the guide of the W3C Data Privacy Vocabularies group; GDPR Art. 7(1)",
        facts.stand,
        tuple(sections),
        document={"@context": CONTEXT, "@graph": nodes},
        words=(*WORDS, ("consent", "an explicit yes, for stated purposes, kinds of records and recipients")),
    )


def _states(
    history: list[tuple[int, MemberEvent]], position: int, consent: Consent, now: int
) -> list[_State]:
    earlier = [
        one for at, one in history if isinstance(one, Consent) and at < position and _same_scope(one, consent)
    ]
    found = [
        _State("RenewedConsentGiven" if earlier else "ConsentGiven", consent.at, consent.subject, position)
    ]
    for at, event in history:
        everything = isinstance(event, Withdraw) and event.setting is None and event.consent is None
        if isinstance(event, Withdraw) and (
            event.consent == consent.id or (everything and (consent.at, position) < (event.at, at))
        ):
            found.append(_State("ConsentWithdrawn", event.at, event.subject, at))
    if consent.expires_at is not None and consent.expires_at <= now:
        found.append(_State("ConsentExpired", consent.expires_at, "the time set when it was given", None))
    return sorted((one for one in found if one.at <= now), key=lambda one: one.at) or found[:1]


def _same_scope(one: Consent, other: Consent) -> bool:
    return (one.purposes, one.categories, one.recipients) == (
        other.purposes,
        other.categories,
        other.recipients,
    )


def _notices(standing: Standing, consent: Consent) -> list[Placed]:
    """Versions in effect that the member had been told of and that permit, on consent, what was consented to."""
    return [
        placed
        for document in standing.known.documents.values()
        for placed in document
        if standing.in_effect(placed, consent.at) and standing.told(placed, consent.at)
        if any(
            clause.effect == "permit"
            and clause.condition is not None
            and clause.condition.setting is None
            and any(any_covers(clause.purposes, one) for one in consent.purposes)
            and any_covers_any(clause.categories, consent.categories)
            and any(any_covers(clause.recipients, one) for one in consent.recipients)
            for clause in placed.terms.clauses
        )
    ]


def _section(
    facts: Facts,
    standing: Standing,
    given: tuple[int, Consent],
    states: list[_State],
    notices: list[Placed],
) -> Section:
    position, consent = given
    key = consent.id
    place = standing.jurisdiction(consent.at)
    named = tuple(f"{one.terms.document} {one.terms.version}" for one in notices)
    behind = tuple(one.entry for one in states if one.entry is not None)
    controllers = facts.stand.origin
    fields = (
        Field(f"{key}.schema", "Form", SCHEMA, query="the form of this paper"),
        Field(f"{key}.id", "Number of the record", key, entries=(position,)),
        Field(f"{key}.principal", "Whose consent", consent.subject, entries=(position,)),
        Field(
            f"{key}.notice",
            "Notice that was given",
            named or None,
            blank=None
            if named
            else f"{NOT_KNOWN}: no terms in effect then, of which the member had been told, rest on such a consent",
            entries=tuple(one.position for one in notices),
            query="versions in effect and told, with a clause that permits on consent what was agreed to",
        ),
        Field(
            f"{key}.language",
            "Language of the notice",
            blank=f"{NOT_KNOWN}: terms are recorded without their language",
        ),
        Field(f"{key}.purpose", "Purpose", tuple(map(purpose, consent.purposes)), entries=(position,)),
        Field(f"{key}.basis", "Lawful basis", "consent (GDPR Art. 6(1)(a))", entries=(position,)),
        Field(
            f"{key}.data",
            "Personal data",
            tuple(map(category, consent.categories)),
            entries=(position,),
            note="Also what was written before the consent."
            if consent.covers_past
            else "Only what was written after the consent.",
        ),
        Field(
            f"{key}.controller",
            "Controller",
            f"the operator of the log {controllers}" if controllers else None,
            blank=None if controllers else f"{NOT_KNOWN}: the home has no public log, hence no name",
        ),
        Field(f"{key}.contact", "Controller's address and contact", blank=f"{NOT_KNOWN}: no entry holds one"),
        Field(
            f"{key}.method",
            "Method of collection",
            "given by the member; recorded by the operator",
            entries=(position,),
        ),
        Field(f"{key}.storage", "Where the data is stored", blank=f"{NOT_KNOWN}: no entry says where"),
        Field(
            f"{key}.retention",
            "How long",
            format_instant(consent.expires_at) if consent.expires_at else None,
            blank=None
            if consent.expires_at
            else f"{NOT_KNOWN}: the consent has no end, and no entry sets a period",
            entries=(position,),
        ),
        Field(
            f"{key}.jurisdiction",
            "Jurisdiction",
            place,
            blank=None if place else f"{NOT_KNOWN}: the member's place then is not recorded",
            query="the member's recorded place at the time of the consent",
        ),
        Field(f"{key}.recipients", "Recipients", tuple(map(party, consent.recipients)), entries=(position,)),
        Field(
            f"{key}.withdraw",
            "How to take it back",
            f"troth consent withdraw {consent.subject} {key}, or the switch on the member's page",
            query="the same for every consent",
        ),
        Field(
            f"{key}.events",
            "What happened to it",
            tuple(f"{STATES[one.term]} on {format_instant(one.at)} by {one.by}" for one in states),
            entries=behind,
            query="entries that give or withdraw this consent, and its end",
        ),
        Field(f"{key}.state", "State at the time of this paper", STATES[states[-1].term], entries=behind),
    )
    return Section(f"Consent {key}", fields)


def _others(history: list[tuple[int, MemberEvent]]) -> list[tuple[int, Choose | Objection | Withdraw]]:
    return [
        (position, event)
        for position, event in history
        if isinstance(event, Choose | Objection) or (isinstance(event, Withdraw) and event.consent is None)
    ]


def _term(event: Choose | Objection | Withdraw) -> str:
    if isinstance(event, Choose):
        return "OptingInToProcess" if event.on else "OptingOutFromProcess"
    return "OptingOutFromProcess" if isinstance(event, Withdraw) and event.setting else "ObjectingToProcess"


def _choices(others: list[tuple[int, Choose | Objection | Withdraw]]) -> Section:
    fields = []
    for position, event in others:
        what = (
            event.setting if isinstance(event, Choose | Withdraw) and event.setting else "training, all of it"
        )
        by = f", by {event.by}" if isinstance(event, Choose) and event.by != "member" else ""
        text = f"{what}: {STATES[_term(event)]} on {format_instant(event.at)}{by}"
        fields.append(Field(f"choice.{position}", f"Entry {position:,}", text, entries=(position,)))
    return Section(
        "Other choices",
        tuple(fields),
        "Switches and objections. They are not consent in the sense of the law.",
    )


def _node(
    facts: Facts,
    standing: Standing,
    given: tuple[int, Consent],
    states: list[_State],
    notices: list[Placed],
    *,
    receipt: bool,
) -> dict[str, Json]:
    position, consent = given
    base = f"urn:troth:consent:{position}"
    trains = any(one.split(".")[0] in ("train", "any") for one in consent.purposes)
    process: dict[str, Json] = {
        "@id": f"{base}:process",
        "@type": "dpv:Process",
        "dpv:hasPurpose": [
            {
                "@id": f"urn:troth:purpose:{one}",
                "@type": "dpv:Purpose",
                "rdfs:label": purpose(one),
                "skos:broader": {"@id": "dpv:ImproveExistingProductsAndServices"},
            }
            for one in consent.purposes
        ],
        "dpv:hasPersonalData": [
            {"@id": f"urn:troth:category:{one}", "@type": "dpv:PersonalData", "rdfs:label": category(one)}
            for one in consent.categories
        ],
        "dpv:hasRecipient": [
            {"@id": f"urn:troth:recipient:{one}", "@type": "dpv:Recipient", "rdfs:label": party(one)}
            for one in consent.recipients
        ],
        "dpv:hasLegalBasis": {"@id": "dpv:Consent"},
        "dpv:hasRight": {"@id": "dpv:A7-3", "rdfs:label": "to withdraw at any time"},
    }
    if trains:
        process["dpv:hasProcessing"] = {"@id": "ai:ModelTraining"}
        process["ai:hasTrainingData"] = [{"@id": f"urn:troth:category:{one}"} for one in consent.categories]
    if "train.generative" in consent.purposes:
        process["dpv:hasTechnology"] = {"@id": "ai:GenAI"}
    place = standing.jurisdiction(consent.at)
    if place:
        process["dpv:hasJurisdiction"] = {"@id": f"loc:{place}"}
    if consent.expires_at is not None:
        until: Json = {"@value": format_instant(consent.expires_at), "@type": "xsd:dateTime"}
        process["dpv:hasStorageCondition"] = {"@type": "dpv:StorageDuration", "dct:valid": until}
    return {
        "@id": base,
        "@type": "dpv:ConsentReceipt" if receipt else "dpv:ConsentRecord",
        "dct:conformsTo": {"@id": f"{SCHEMA}#{'receipt' if receipt else 'record'}"},
        "dpv:hasIdentifier": consent.id,
        "dpv:hasDataSubject": {
            "@id": f"urn:troth:subject:{position}",
            "@type": "dpv:DataSubject",
            "dpv:hasIdentifier": consent.subject,
        },
        "dpv:hasDataController": {
            "@id": "urn:troth:operator",
            "@type": "dpv:DataController",
            "dpv:hasName": facts.stand.origin or "not known",
        },
        "dpv:hasNotice": [
            {
                "@id": f"urn:troth:entry:{one.position}",
                "@type": "dpv:PrivacyNotice",
                "dct:title": f"{one.terms.document} {one.terms.version}",
            }
            for one in notices
        ],
        "dpv:hasProcess": process,
        "dpv:hasConsentStatus": [_state_node(base, number, one) for number, one in enumerate(states)],
        "troth:ledgerEntry": position,
    }


def _state_node(base: str, number: int, one: _State) -> dict[str, Json]:
    node: dict[str, Json] = {
        "@id": f"{base}:state:{number}",
        "@type": f"dpv:{one.term}",
        "dpv:isIndicatedAtTime": {"@value": format_instant(one.at), "@type": "xsd:dateTime"},
        "dpv:isIndicatedBy": one.by,
    }
    return node if one.entry is None else node | {"troth:ledgerEntry": one.entry}


def _choice_node(subject: str, position: int, event: Choose | Objection | Withdraw) -> dict[str, Json]:
    term = _term(event)
    node: dict[str, Json] = {
        "@id": f"urn:troth:choice:{position}",
        "@type": f"dpv:{term}",
        "dpv:isIndicatedAtTime": {"@value": format_instant(event.at), "@type": "xsd:dateTime"},
        "dpv:isIndicatedBy": event.by if isinstance(event, Choose) else "member",
        "dpv:hasDataSubject": {
            "@id": f"urn:troth:choice:{position}:subject",
            "@type": "dpv:DataSubject",
            "dpv:hasIdentifier": subject,
        },
        "troth:ledgerEntry": position,
    }
    setting = event.setting if isinstance(event, Choose | Withdraw) else None
    return node | ({"rdfs:label": setting} if setting else {})
