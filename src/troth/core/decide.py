"""The reference decision: one record, one use, one instant, one ledger position in; one verdict out.

Written to be read beside decisions.md, "The verdict": each step is a function of the same name, and the
sentences are followed one by one. It is the oracle of the relational plan and what ``explain`` uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from troth.core.reasons import Reason, bits, first_of, from_bits, verdict_of
from troth.core.standing import Binding, Choice, Given, Known, Standing, consent_matches
from troth.core.terms import Clause, Terms
from troth.core.values import Day, Record, Use, any_covers_any, day_of

R = Reason


@dataclass(frozen=True, slots=True)
class Cited:
    """A clause that a judgement rests on."""

    terms: Terms
    clause: Clause


@dataclass(frozen=True, slots=True)
class Judgement:
    """One party's verdict: the bit set of its reasons (see ``troth.core.reasons``) and the clauses it rests on."""

    subject: str
    role: str
    code: int
    clauses: tuple[Cited, ...] = ()

    @property
    def verdict(self) -> str:
        """``allowed``, ``denied`` or ``gap``."""
        return verdict_of(self.code)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """All reasons, in order."""
        return from_bits(self.code)


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict on a record: first reason, the party it comes from, and every judged party."""

    record: str
    verdict: str
    reason: Reason | None
    party: str | None
    parties: tuple[Judgement, ...]


def decide(record: Record, use: Use, at: int, known: Known) -> Decision:
    """Decide one record for one use at T = ``at`` (microseconds UTC) with the entries in ``known``."""
    alone = not_judged(record, at)
    if alone is not None:
        return Decision(record.id, verdict_of(bits([alone])), alone, None, ())

    mode = combination(record.categories, known)
    judged = tuple(
        judge_party(subject, role, record, use, at, known)
        for subject, role in parties_that_count(record, mode)
    )
    order = ("allowed", "gap", "denied") if mode == "any_party" else ("denied", "gap", "allowed")
    verdict = next(one for one in order if any(party.verdict == one for party in judged))
    deciding = next(party for party in judged if party.verdict == verdict)
    reason = first_of(deciding.code)
    return Decision(record.id, verdict, reason, deciding.subject if reason is not None else None, judged)


def not_judged(record: Record, at: int) -> Reason | None:
    """The three cases in which no party is judged."""
    if record.created_at is not None and record.created_at > at:
        return R.NOT_YET
    if record.deleted_at is not None and record.deleted_at <= at:
        return R.DELETED
    if record.author is None:
        return R.UNKNOWN_SUBJECT
    return None


def combination(categories: tuple[str, ...], known: Known) -> str:
    """How the parties of a record combine: ``all_parties`` wins over ``any_party``; else the ``author`` alone."""
    if any_covers_any(known.rules.all_parties or (), categories):
        return "all_parties"
    if any_covers_any(known.rules.any_party or (), categories):
        return "any_party"
    return "author"


def parties_that_count(record: Record, mode: str) -> list[tuple[str, str]]:
    """Author, then addressees as listed, each once; the author alone where no rule asks for all or any."""
    counted = {record.author or "": "author"}
    if mode != "author":
        for addressee in record.addressees:
            counted.setdefault(addressee, "addressee")
    return list(counted.items())


def judge_party(subject: str, role: str, record: Record, use: Use, at: int, known: Known) -> Judgement:
    """Judge one party of a record."""
    standing = Standing(known, known.member(subject), at)
    reasons, cited = Judge(standing, use, record.categories, record.created_at).judge()
    return Judgement(subject, role, bits(reasons), tuple(Cited(one.terms, one.clause) for one in cited))


class Judge:
    """Steps 1 to 7 for one member, use, set of categories and ``t0`` (None: not known)."""

    def __init__(self, standing: Standing, use: Use, categories: tuple[str, ...], t0: int | None) -> None:
        self.s = standing
        self.use = use
        self.categories = categories
        self.t0_or_none = t0
        self.now = standing.now
        self.rules = standing.known.rules

    @property
    def t0(self) -> int:
        """When the record was created; asked for only once step 1 found it known."""
        if self.t0_or_none is None:
            raise ValueError("t0 is not known")
        return self.t0_or_none

    def judge(self) -> tuple[set[Reason], list[Binding]]:
        """All reasons, and the clauses that they or the permission rest on."""
        if not self.s.is_known:
            return {R.UNKNOWN_SUBJECT}, []
        missing = self.step_1_known()
        if missing:
            return missing | self.step_2_standing(), []
        promises = self.unlifted_promises()
        grounds = self.permits_at_t0 + self.permits_now
        reasons = self.step_2_standing() | self.step_3_law() | self.step_4_objection()
        reasons |= {R.PROMISED_NOT_TO} if promises else set()
        reasons |= self.step_7_choice() if self.has_ground else self.step_6_ground()
        quiet = self.s.quietly_permitted(self.use, self.categories, self.t0)
        return reasons, _each_once(promises + grounds + (quiet if R.NOT_NOTICED in reasons else []))

    # 1. Known

    def step_1_known(self) -> set[Reason]:
        """Time and place must be known."""
        missing = set()
        if self.t0_or_none is None:
            missing.add(R.UNKNOWN_TIME)
        instants = [self.now] if self.t0_or_none is None else [self.now, self.t0]
        if any(self.s.jurisdiction(instant) is None for instant in instants):
            missing.add(R.UNKNOWN_JURISDICTION)
        return missing

    # 2. Standing

    def step_2_standing(self) -> set[Reason]:
        """Erased, closed, minor; a birth date that is not known is a gap, or by rule an adult's."""
        reasons = set()
        if self.s.is_erased:
            reasons.add(R.ERASED)
        if self.s.attribute("status", self.now) == "closed" and self.rules.closed_ends_use:
            reasons.add(R.CLOSED)
        born = self.s.attribute("born", self.now)
        if not isinstance(born, tuple):
            if self.rules.unknown_age == "gap":
                reasons.add(R.UNKNOWN_AGE)
        elif self.t0_or_none is not None and day_of(self.t0) < comes_of_age(
            born, self.rules.minimum_age or 0
        ):
            reasons.add(R.MINOR)
        return reasons

    # 3. Law

    def regime(self, instant: int) -> str | None:
        """The regime of this use of this record at an instant."""
        return self.s.regime(self.use, self.categories, instant)

    @cached_property
    def regimes(self) -> tuple[str | None, str | None]:
        """The regimes at t0 and at T."""
        return self.regime(self.t0), self.regime(self.now)

    def step_3_law(self) -> set[Reason]:
        """Prohibited at T; or at t0, unless a consent was given at an instant known not to be prohibited."""
        at_t0, at_now = self.regimes
        lifted = any(
            self.regime(given.when[0]) not in (None, "prohibited") for given in self.covering_consents
        )
        if at_now == "prohibited" or (at_t0 == "prohibited" and not lifted):
            return {R.PROHIBITED_HERE}
        return set()

    # 4. Objection

    def step_4_objection(self) -> set[Reason]:
        """An objection to training holds until a later yes to this use."""
        objection = self.s.last_objection
        if not self.use.trains or objection is None:
            return set()
        consented = any(given.when > objection and not given.withdrawn for given in self.matching_consents)
        switched_on = any(
            choice.on and choice.when > objection
            for setting in self.governing_settings
            for choice in self.s.choices(setting)
        )
        return set() if consented or switched_on else {R.OBJECTED}

    # 5. Promise

    def unlifted_promises(self) -> list[Binding]:
        """What was promised at t0 or is promised at T, and no consent given under that version lifts."""
        bound = _each_once(self.s.promises(self.t0) + self.s.promises(self.now))
        return [
            promise
            for promise in bound
            if promise.clause.covers(self.use.purpose, self.use.recipient, self.categories)
            and not any(given.when[0] >= promise.terms.effective_at for given in self.covering_consents)
        ]

    # 6. Ground

    @cached_property
    def permits_at_t0(self) -> list[Binding]:
        """Ground (i): the covering permits that bound at t0."""
        return self.s.permits(self.use, self.categories, self.t0)

    @cached_property
    def permits_now(self) -> list[Binding]:
        """The covering permits that bind at T."""
        return self.s.permits(self.use, self.categories, self.now)

    @cached_property
    def permits_reaching_back(self) -> list[Binding]:
        """Ground (ii): those at T that reach back, in a version accepted by an affirmative act by T."""
        return [
            permit
            for permit in self.permits_now
            if permit.clause.reaches_back and self.s.accepted(permit.terms, self.now)
        ]

    @property
    def has_ground(self) -> bool:
        """Whether step 6 finds ground (i), (ii) or (iii)."""
        return bool(self.permits_at_t0 or self.permits_reaching_back or self.covering_consents)

    def step_6_ground(self) -> set[Reason]:
        """Why there is no ground."""
        reasons = set()
        if any(permit.terms.effective_at > self.t0 for permit in self.permits_now):
            reasons.add(R.RETROACTIVE)
        if self.s.quietly_permitted(self.use, self.categories, self.t0):
            reasons.add(R.NOT_NOTICED)
        return reasons or {R.NO_GROUND}

    # 7. Choice

    def step_7_choice(self) -> set[Reason]:
        """One ground that holds is enough; if none does, the reasons of all apply."""
        if self.covering_consents:
            return set()
        failures = []
        if self.permits_at_t0:
            then = self.one_holds(self.permits_at_t0)
            now = self.one_holds(self.permits_now) if self.permits_now else {R.PERMISSION_ENDED}
            failures.append(then | now)
        if self.permits_reaching_back:
            failures.append(self.one_holds(self.permits_reaching_back))
        return set().union(*failures) if all(failures) else set()

    def one_holds(self, permits: list[Binding]) -> set[Reason]:
        """Nothing if one of the permits holds, else the reasons of all."""
        failures = [self.permit_fails(permit.clause) for permit in permits]
        return set().union(*failures) if all(failures) else set()

    def permit_fails(self, clause: Clause) -> set[Reason]:
        """Why a permit does not hold by its condition; nothing if it does."""
        if clause.condition is None:
            return self.unconditional_fails()
        if clause.condition.setting is None:
            return self.consent_fails()
        return self.setting_fails(clause.condition.setting)

    def unconditional_fails(self) -> set[Reason]:
        """No condition: the regime must be ``terms`` at t0 and at T."""
        reasons = set()
        if any(regime in ("opt_in", "prohibited") for regime in self.regimes):
            reasons.add(R.NO_OPT_IN)
        if "opt_out" in self.regimes:
            reasons.add(R.NO_CHOICE_OFFERED)
        return reasons

    def setting_fails(self, setting: str) -> set[Reason]:
        """A setting: by the last explicit choice, or with none by signals and defaults."""
        introduced = self.s.introduced(setting)
        if introduced is None or introduced > self.now:
            return {R.BEFORE_CHOICE}
        choices = self.s.choices(setting)
        if not choices:
            return self.default_fails(setting, introduced)
        if not choices[-1].on:
            return {R.OPTED_OUT}
        if any(choice.covers_past for choice in _last_run_of_on(choices)):
            return set()
        if introduced > self.t0:
            return {R.BEFORE_CHOICE}
        return set() if self.was_on(setting, choices) else {R.WRITTEN_WHILE_OFF}

    def was_on(self, setting: str, choices: list[Choice]) -> bool:
        """On at t0: by the last explicit choice until then, or by a default that the law then let count."""
        until_t0 = [choice for choice in choices if choice.when[0] <= self.t0]
        if until_t0:
            return until_t0[-1].on
        return self.s.default(setting, self.t0) and self.regimes[0] in ("terms", "opt_out")

    def default_fails(self, setting: str, introduced: int) -> set[Reason]:
        """Never chosen: a signal of off, and what the default says."""
        reasons = {R.OPTED_OUT} if self.s.signalled_off(setting) else set()
        if not self.s.default(setting, self.now):
            return reasons | {R.OFF_BY_DEFAULT}
        if any(regime not in ("terms", "opt_out") for regime in self.regimes):
            reasons.add(R.NO_OPT_IN)
        if introduced > self.t0:
            reasons.add(R.BEFORE_CHOICE)
        elif not self.s.default(setting, self.t0):
            reasons.add(R.WRITTEN_WHILE_OFF)
        return reasons

    def consent_fails(self) -> set[Reason]:
        """A consent: what became of those of matching scope."""
        if self.covering_consents:
            return set()
        reasons = set()
        for given in self.matching_consents:
            if given.withdrawn:
                reasons.add(R.CONSENT_WITHDRAWN)
            if self.expired(given):
                reasons.add(R.CONSENT_EXPIRED)
            if self.overridden(given):
                reasons.add(R.OPTED_OUT)
        return reasons or {R.NO_CONSENT}

    # Consent and governing settings

    @cached_property
    def matching_consents(self) -> list[Given]:
        """Consents given by T whose scope matches."""
        return [
            given for given in self.s.consents if consent_matches(given.consent, self.use, self.categories)
        ]

    @cached_property
    def covering_consents(self) -> list[Given]:
        """Consents that cover the record."""
        return [
            given
            for given in self.matching_consents
            if not given.withdrawn
            and not self.expired(given)
            and (self.t0 >= given.when[0] or given.consent.covers_past)
            and not self.overridden(given)
        ]

    def expired(self, given: Given) -> bool:
        """Expired by T."""
        return given.consent.expires_at is not None and given.consent.expires_at <= self.now

    def overridden(self, given: Given) -> bool:
        """After giving it, a setting that governs the use was explicitly switched off and left off to T."""
        return any(
            choices and not choices[-1].on and choices[-1].when > given.when
            for choices in map(self.s.choices, self.governing_settings)
        )

    @cached_property
    def governing_settings(self) -> list[str]:
        """The settings that are the condition of a permit binding at t0 or at T."""
        conditions = [permit.clause.condition for permit in self.permits_at_t0 + self.permits_now]
        return sorted({one.setting for one in conditions if one is not None and one.setting is not None})


def comes_of_age(born: Day, years: int) -> Day:
    """The UTC day on which somebody reaches an age; 29 February counts as 1 March in common years."""
    year, month, day = born[0] + years, born[1], born[2]
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return (year, 3, 1) if (month, day) == (2, 29) and not leap else (year, month, day)


def _last_run_of_on(choices: list[Choice]) -> list[Choice]:
    """The unbroken run of on-choices up to T."""
    run: list[Choice] = []
    for choice in reversed(choices):
        if not choice.on:
            break
        run.append(choice)
    return run


def _each_once(bindings: list[Binding]) -> list[Binding]:
    found: dict[tuple[int, str], Binding] = {}
    for binding in bindings:
        found.setdefault((binding.placed.position, binding.clause.id), binding)
    return list(found.values())
