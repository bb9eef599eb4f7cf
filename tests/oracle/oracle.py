"""An independent, literal evaluator of decisions.md ("What may train what: the decision").

    evaluate(case, readings=None, trace=None) -> [{"record", "verdict", "reason", "party", "reasons"}, ...]

`case` is the plain parsed YAML of a case file. One result per item of case["expect"], in order.
Brute force over lists of ledger entries; one short function per sentence; sentences quoted.
(u, r) of the text is (the use, the record): purpose + recipient + the record's categories.

`readings` overrides entries of READINGS (the places where the text was open); `trace` is an
optional collections.Counter that is told which paths were walked (for coverage only).
"""
from __future__ import annotations

import datetime as _dt
import re
from functools import lru_cache

# "Order of denials: ..."
DENIALS = ("not-yet deleted erased closed minor prohibited-here objected promised-not-to retroactive "
           "not-noticed no-ground permission-ended opted-out off-by-default no-opt-in no-choice-offered "
           "before-choice written-while-off consent-withdrawn consent-expired no-consent").split()
# "of gaps: ..."
GAPS = "unknown-subject unknown-time unknown-jurisdiction unknown-age".split()
ORDER = DENIALS + GAPS

# Where the text was open. The default is the reading taken; the alternatives are there so that a
# difference between two implementations can be traced to a reading at once.
READINGS = {
    # "the last **explicit** choice": every `choose` that is not `by: signal` ("all"), or is an *on* that
    # the operator chose no yes of the member, so not looked at ("not-operator-on").
    "explicit": "all",
    # "in effect for `s` when `s` joined": every version considered at that instant ("considered"),
    # or the newest of them only ("newest").
    "told_at_join": "considered",
    # "the condition of a `permit` clause covering (u, r) in a version binding `s`": a permit clause that
    # itself binds for this use ("permit"), or any permit of a version of which something binds ("version").
    "governs": "permit",
    # "a consent of matching scope that is not withdrawn": expired ones count too (True).
    "expired_consent_lifts_objection": True,
    # "with `t0` missing: all but `minor`": `unknown-age` is still judged (True).
    "unknown_age_without_t0": True,
    # "been on for `s` then, by the last explicit choice at or before `t0`, or, with none, by its default":
    # a signal of off by t0 changes nothing (False) or makes it off (True).
    "signal_off_at_t0": False,
    # "an explicit choice of on for a setting that governs it": also for a setting not introduced by T (True).
    "unintroduced_setting_lifts_objection": True,
    # "its permits bind only for uses that the newest permits too": any permit of the newest covering (u, r)
    # ("covering"), or only one under the same condition or under none ("same-condition").
    "newest_permits_too": "covering",
    # "by a version effective after `t0`": by effective_at alone ("effective_at"), or also a version that was
    # published only after t0 ("or_published").
    "retroactive": "effective_at",
    # "An attribute given as null is unknown from then on": a status null ends `closed`/`erased` (True),
    # or the last known status is kept (False).
    "null_status_ends_status": True,
}

# ---------------------------------------------------------------------------------------- instants

DAY = 24 * 3600 * 1_000_000  # "A notice day is 24 hours." In microseconds.
_INSTANT = re.compile(
    r"^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?\s*([Zz]|[+-]\d{2}(?::?\d{2})?)?)?$")


@lru_cache(maxsize=None)
def instant(text):
    """'Dates without a time are midnight UTC, times without a zone are UTC.' -> microseconds since 1970."""
    if text is None:
        return None
    m = _INSTANT.match(str(text))
    if not m:
        raise ValueError(f"not an instant: {text!r}")
    y, mo, d, h, mi, s, frac, zone = m.groups()
    days = _dt.date(int(y), int(mo), int(d)).toordinal() - _dt.date(1970, 1, 1).toordinal()
    us = ((days * 24 + int(h or 0)) * 60 + int(mi or 0)) * 60 + int(s or 0)
    us = us * 1_000_000 + int((frac or "0").ljust(6, "0"))
    if zone and zone not in "Zz":
        sign = -1 if zone[0] == "-" else 1
        digits = zone[1:].replace(":", "").ljust(4, "0")
        us -= sign * (int(digits[:2]) * 60 + int(digits[2:])) * 60 * 1_000_000
    return us


def utc_date(t):
    """'Ages are by UTC dates.'"""
    return _dt.date(1970, 1, 1) + _dt.timedelta(days=t // DAY)


# ------------------------------------------------------------------------------------------ regions

_EU_JOINED = {
    "1958-01-01": "BE DE FR IT LU NL", "1973-01-01": "DK IE GB", "1981-01-01": "GR", "1986-01-01": "ES PT",
    "1995-01-01": "AT FI SE", "2004-05-01": "CY CZ EE HU LT LV MT PL SI SK", "2007-01-01": "BG RO",
    "2013-07-01": "HR"}
_EU_LEFT = {"GB": "2020-02-01"}
_EEA_START = "1994-01-01"
_EEA_OTHERS = {"NO": "1994-01-01", "IS": "1994-01-01", "LI": "1995-05-01"}


def eu_members(t):
    """'`EU` … expand to their members on the day asked about'; 'counts from midnight UTC of its date'."""
    return {c for date, codes in _EU_JOINED.items() for c in codes.split()
            if instant(date) <= t and not (c in _EU_LEFT and instant(_EU_LEFT[c]) <= t)}


def eea_members(t):
    """'`EEA` (which holds the EU, `IS`, `LI`, `NO`)'"""
    if t < instant(_EEA_START):
        return set()
    return eu_members(t) | {c for c, date in _EEA_OTHERS.items() if instant(date) <= t}


REGIONS = {"EU": eu_members, "EEA": eea_members}


def spelled(code):
    """'(`CN-HK`, `CN-MO`, `CN-TW` are spellings of those)'"""
    return {"CN-HK": "HK", "CN-MO": "MO", "CN-TW": "TW"}.get(code, code)


def place_specificity(place, jurisdiction, t):
    """0: the place does not hold the jurisdiction at t. Else 3 `US-CA`, 2 `US`, 1 any region.
    'the most specific place wins (`US-CA`, then `US`, then any region)'; '`US` holds `US-CA`'."""
    place, jurisdiction = spelled(place), spelled(jurisdiction)
    country = jurisdiction.split("-")[0]
    if place in REGIONS:
        return 1 if country in REGIONS[place](t) else 0
    if place == jurisdiction:
        return 3 if "-" in place else 2
    return 2 if place == country else 0


# ----------------------------------------------------------------------------------------- covering

def value_covers(listed, value):
    """'A listed value covers itself and all below it: `train` covers `train.generative`, `third_party` covers
    `third_party:acme`, `any` covers all.'"""
    return listed == "any" or value == listed or value.startswith(listed + ".") or value.startswith(listed + ":")


def list_covers(listed, value):
    return any(value_covers(x, value) for x in listed)


def categories_of(record):
    """'topics found in it (`topic:compensation`, …) count as further categories of the record'"""
    return [record["category"]] + [t if t.startswith("topic:") else "topic:" + t for t in record.get("topics") or []]


# ------------------------------------------------------------------------------------ what is known

def form(entry):
    for k in ("terms", "setting", "notice", "accept", "choose", "consent", "withdraw", "object", "erase",
              "regime", "rules", "subject"):
        if k in entry:
            return k
    raise ValueError(f"unknown entry: {entry!r}")


class Known:
    """'Only ledger entries before position `n` are known'"""

    def __init__(self, events, n):
        self.entries = [(i, form(e), e) for i, e in enumerate(events) if i < n]

    def all(self, which):
        """(position, body) of all entries of a form, in ledger order"""
        top = which in ("terms", "setting", "subject")
        return [(i, e if top else e[which]) for i, f, e in self.entries if f == which]

    # -- rules
    def rules(self):
        """'`rules` have no date: they hold from their position on, whatever `T`; a later entry replaces the
        keys that it names.'"""
        r = {"all_parties": ["private_message"], "any_party": [], "minimum_age": 18, "unknown_age": "gap",
             "closed_ends_use": True}
        for _, body in self.all("rules"):
            r.update(body)
        return r

    # -- subjects
    def subject_entries(self, s):
        return [(i, e) for i, e in self.all("subject") if e["subject"] == s]

    def joined(self, s):
        """'Members joined at their earliest `since`, wherever it stands in the ledger.'"""
        return min((instant(e["since"]) for _, e in self.subject_entries(s)), default=None)

    def attribute(self, s, name, t):
        """'each entry sets those that it names from `since` on (of two with one `since`, the later in the
        ledger)'; 'An attribute given as null is unknown from then on.'"""
        setters = [(instant(e["since"]), i, e[name]) for i, e in self.subject_entries(s)
                   if name in e and instant(e["since"]) <= t]
        return max(setters, key=lambda x: x[:2])[2] if setters else None

    # -- audiences
    def in_audience(self, audience, s, t):
        """'Nobody is in any audience before they joined.' 'missing means everybody'"""
        joined = self.joined(s)
        if joined is None or joined > t:
            return False
        audience = audience or {}
        j_ok = self._side_holds(audience.get("jurisdictions"), self.attribute(s, "jurisdiction", t),
                                lambda place, j: place_specificity(place, j, t) > 0)
        t_ok = self._side_holds(audience.get("tiers"), self.attribute(s, "tier", t), lambda listed, v: listed == v)
        return j_ok and t_ok

    @staticmethod
    def _side_holds(side, value, holds):
        """'each a list or `{in: […], not_in: […]}`; missing means everybody'"""
        if side is None:
            return True
        # "An unknown attribute is in no audience that names it, neither by `in` nor by `not_in`."
        if value is None:
            return False
        if isinstance(side, list):
            side = {"in": side}
        if "in" in side and not any(holds(x, value) for x in side["in"]):
            return False
        return not any(holds(x, value) for x in side.get("not_in", []))

    # -- settings
    def introduced_at(self, setting):
        """'(… the first entry's counts …)'"""
        own = [e for _, e in self.all("setting") if e["setting"] == setting]
        return instant(own[0]["introduced_at"]) if own else None

    def exists(self, setting, t):
        at = self.introduced_at(setting)
        return at is not None and at <= t

    def default(self, setting, s, t):
        """'a later entry of the same setting with `since` replaces its defaults from then on (… its [the
        first's] defaults hold until replaced)'; 'the first whose audience holds; none: off'"""
        own = [(i, e) for i, e in self.all("setting") if e["setting"] == setting]
        defaults = own[0][1].get("defaults") or []
        replacing = [(instant(e["since"]), i, e) for i, e in own[1:] if instant(e["since"]) <= t]
        if replacing:
            defaults = max(replacing, key=lambda x: x[:2])[2].get("defaults") or []
        for d in defaults:
            if self.in_audience(d.get("audience"), s, t):
                return is_on(d["value"])
        return False


def is_on(value):
    return value in ("on", True)


# ------------------------------------------------------------------------- one question about one party

class Question:
    """One record, one use, one instant, one ledger position, one party."""

    def __init__(self, known, s, record, purpose, recipient, T, readings, trace):
        self.k, self.s, self.record, self.purpose, self.recipient, self.T = known, s, record, purpose, recipient, T
        self.t0 = instant(record.get("created_at"))
        self.cats = categories_of(record)
        self.readings = readings
        self.trace = trace
        self._memo = {}

    def note(self, what):
        if self.trace is not None:
            self.trace[what] += 1

    def once(self, name, f):
        if name not in self._memo:
            self._memo[name] = f()
        return self._memo[name]

    # ------------------------------------------------------------------------------ covering (u, r)

    def categories_and_recipient_covered(self, c):
        return (list_covers(c["recipients"], self.recipient)
                and any(list_covers(c["categories"], x) for x in self.cats))

    def covered(self, c):
        """'A clause covers (u, r) if it covers purpose, recipient, and at least one of the record's categories.'"""
        return self.categories_and_recipient_covered(c) and list_covers(c["purposes"], self.purpose)

    def is_promise(self, c):
        """'`forbid` lists are read the same way; `limit` covers (u, r) when categories and recipients do and
        **no** listed purpose covers the use's.'"""
        if c["effect"] == "forbid":
            return self.covered(c)
        if c["effect"] == "limit":
            return self.categories_and_recipient_covered(c) and not list_covers(c["purposes"], self.purpose)
        return False

    def is_permit(self, c):
        return c["effect"] == "permit" and self.covered(c)

    def under_train(self):
        return value_covers("train", self.purpose)

    # -------------------------------------------------------------------------------------- binding

    def documents(self):
        return list(dict.fromkeys(e["terms"] for _, e in self.k.all("terms")))

    def considered(self, document, t):
        """'Of each document, at `t`: consider the versions with `effective_at ≤ t`, `published_at ≤ t`, whose
        audience holds `s`'s attributes at `t`; newest means by `effective_at`, then `published_at`, then ledger
        order.' Sorted, newest last."""
        out = [(instant(v["effective_at"]), instant(v["published_at"]), i, v) for i, v in self.k.all("terms")
               if v["terms"] == document and instant(v["effective_at"]) <= t and instant(v["published_at"]) <= t
               and self.k.in_audience(v.get("audience"), self.s, t)]
        return [v for _, _, _, v in sorted(out, key=lambda x: x[:3])]

    def told_by_joining(self, v):
        """'in effect for `s` when `s` joined (its first `since`)'"""
        there = self.considered(v["terms"], self.k.joined(self.s))
        if self.readings["told_at_join"] == "newest":
            there = there[-1:]
        return any(x is v for x in there)

    def told_by_notice(self, v, t):
        """'or notice of it was delivered to `s` (or to an audience holding `s`, who had joined, at the instant of
        the notice) at least `notice_days` (default 0) before `t`'; 'A notice that names a member counts also
        before they joined.'"""
        how = set()
        for _, x in self.k.all("notice"):
            if (x["terms"], x["version"]) != (v["terms"], v["version"]):
                continue
            if not x.get("delivered", True):
                continue
            if instant(x["at"]) + (v.get("notice_days") or 0) * DAY > t:
                continue
            if isinstance(x["to"], str):
                if x["to"] == self.s:
                    how.add("notice-to-subject")
            elif self.k.in_audience(x["to"], self.s, instant(x["at"])):
                how.add("notice-to-audience")
        return how

    def accepted(self, v, t):
        """'or accepted by `click` or `signed` at or before `t`. Continued use is never notice.'"""
        return any((x["terms"], x["version"], x["subject"]) == (v["terms"], v["version"], self.s)
                   and x["manner"] in ("click", "signed") and instant(x["at"]) <= t
                   for _, x in self.k.all("accept"))

    def told_routes(self, v, t):
        how = set(self.told_by_notice(v, t))
        if self.told_by_joining(v):
            how.add("joined")
        if self.accepted(v, t):
            how.add("accepted")
        return how

    def told(self, v, t):
        return bool(self.told_routes(v, t))

    def newest(self, document, t):
        there = self.considered(document, t)
        return there[-1] if there else None

    def newest_told(self, document, t):
        there = [v for v in self.considered(document, t) if self.told(v, t)]
        return there[-1] if there else None

    def promises(self, t):
        """'Its `forbid` and `limit` clauses bind from the newest of them, told or not.'
        -> (version, clause) of those covering (u, r)"""
        out = []
        for d in self.documents():
            v = self.newest(d, t)
            if v is not None:
                out += [(v, c) for c in v["clauses"] if self.is_promise(c)]
        return out

    def permits(self, t):
        """'Its `permit` clauses bind from the newest *of which `s` was told*' 'Where that version is not the newest
        of all, its permits bind only for uses that the newest permits too.'
        -> (version, clause) of those covering (u, r)"""
        return self.once(("permits", t), lambda: self._permits(t))

    def _permits(self, t):
        out = []
        for d in self.documents():
            v = self.newest_told(d, t)
            if v is None:
                continue
            newest = self.newest(d, t)
            for c in v["clauses"]:
                if self.is_permit(c) and (v is newest or self.newest_permits_too(newest, c)):
                    out.append((v, c))
                    self.note("permit-binds" + (":newest" if v is newest else ":older"))
                    routes = self.told_routes(v, t)
                    if len(routes) == 1:
                        self.note("told-only-by:" + min(routes))
        return out

    def newest_permits_too(self, newest, clause):
        if self.readings["newest_permits_too"] == "same-condition":
            return any(self.is_permit(c) and c.get("condition") in (None, clause.get("condition"))
                       for c in newest["clauses"])
        return any(self.is_permit(c) for c in newest["clauses"])

    # --------------------------------------------------------------------------------------- choices

    def explicit_choices(self, setting):
        """Explicit choices of s for a setting at or before T: (instant, position, on?, covers_past), earliest first
        ('by instant, then by ledger order')."""
        return self.once(("choices", setting), lambda: self._explicit_choices(setting))

    def _explicit_choices(self, setting):
        out = []
        for i, x in self.k.all("choose"):
            if x["subject"] == self.s and x["setting"] == setting and x.get("by", "member") != "signal":
                if (self.readings["explicit"] == "not-operator-on" and x.get("by") == "operator"
                        and is_on(x["value"])):
                    continue
                out.append((instant(x["at"]), i, is_on(x["value"]), bool(x.get("covers_past", False))))
        for i, x in self.k.all("withdraw"):
            if x["subject"] != self.s:
                continue
            # "`withdraw` with a setting is an explicit choice of off"
            if x.get("setting") == setting:
                out.append((instant(x["at"]), i, False, False))
            # "with neither it … is an explicit choice of off for every setting introduced by then"
            if self.withdraws_all(x) and self.k.exists(setting, instant(x["at"])):
                out.append((instant(x["at"]), i, False, False))
        return sorted(c for c in out if c[0] <= self.T)

    @staticmethod
    def withdraws_all(x):
        return x.get("setting") is None and x.get("consent") is None

    def signal_of_off(self, setting, t):
        """'a signal of off (`by: signal`, such as Global Privacy Control) at or before `T`'"""
        return any(x["subject"] == self.s and x["setting"] == setting and x.get("by") == "signal"
                   and not is_on(x["value"]) and instant(x["at"]) <= t for _, x in self.k.all("choose"))

    def governing(self):
        """'A setting governs a use for `s` and `r` if it is the condition of a `permit` clause covering (u, r) in a
        version binding `s` at `t0` or at `T`.'"""
        return self.once("governing", self._governing)

    def _governing(self):
        out = set()
        for t in (self.t0, self.T):
            if self.readings["governs"] == "version":
                versions = [v for d in self.documents() for v in (self.newest(d, t), self.newest_told(d, t)) if v]
                clauses = [c for v in versions for c in v["clauses"] if self.is_permit(c)]
            else:
                clauses = [c for _, c in self.permits(t)]
            out |= {c["condition"]["setting"] for c in clauses if isinstance(c.get("condition"), dict)}
        return out

    # -------------------------------------------------------------------------------------- consents

    def matching_consents(self):
        """'Its scope matches if purposes, recipients and at least one category cover.' Given by T.
        -> (instant, position, consent)"""
        return [(instant(c["at"]), i, c) for i, c in self.k.all("consent")
                if c["subject"] == self.s and self.covered(c) and instant(c["at"]) <= self.T]

    def withdrawn(self, consent):
        """'neither withdrawn by `T`'"""
        at, pos, c = consent
        for i, x in self.k.all("withdraw"):
            if x["subject"] != self.s or instant(x["at"]) > self.T:
                continue
            # "with a consent's id it withdraws that one, whatever the order of the two"
            if x.get("consent") == c["id"]:
                return True
            # "with neither it withdraws every earlier consent"
            if self.withdraws_all(x) and (at, pos) < (instant(x["at"]), i):
                return True
        return False

    def expired(self, consent):
        """'nor expired (`expires_at ≤ T`)'"""
        e = instant(consent[2].get("expires_at"))
        return e is not None and e <= self.T

    def overridden(self, consent):
        """'it is not *overridden*: `s` has not, after giving it, explicitly switched off a setting that governs the
        use and left it off to `T`'"""
        at, pos, _ = consent
        for setting in self.governing():
            choices = self.explicit_choices(setting)
            if choices and not choices[-1][2] and choices[-1][:2] > (at, pos):
                return True
        return False

    def reaches_record(self, consent):
        """'`t0` is not before it or it says `covers_past`'"""
        return self.t0 >= consent[0] or bool(consent[2].get("covers_past", False))

    def covering_consents(self):
        """'It *covers the record* if its scope matches, it was given by `T`, is neither withdrawn by `T` nor expired
        (`expires_at ≤ T`), `t0` is not before it or it says `covers_past`, and it is not *overridden*'"""
        return self.once("covering", lambda: [
            c for c in self.matching_consents()
            if not self.withdrawn(c) and not self.expired(c) and self.reaches_record(c) and not self.overridden(c)])

    # ---------------------------------------------------------------------------------------- regime

    def regime(self, t):
        """'The regime of (`s`, u, r) at an instant'"""
        return self.once(("regime", t), lambda: self._regime(t))

    def _regime(self, t):
        j = self.k.attribute(self.s, "jurisdiction", t)
        candidates = []
        for i, x in self.k.all("regime"):
            # "of the entries in force (`from ≤` instant)" … "(missing: always)"
            start = instant(x["from"]) if x.get("from") is not None else float("-inf")
            if start > t or j is None:
                continue
            # "that hold the jurisdiction"
            place = max((place_specificity(p, j, t) for p in x["jurisdictions"]), default=0)
            if not place:
                continue
            # "and cover (u, r)"; "`from`, `purposes`, `categories`, `recipients` may be missing"
            if not self.covered({k: x.get(k) if x.get(k) is not None else ["any"]
                                 for k in ("purposes", "categories", "recipients")}):
                continue
            candidates.append((place, start, i, x["regime"]))
        # "the most specific place wins …, then the newest `from` (missing: always), then the later entry"
        if candidates:
            place, _, _, regime = max(candidates, key=lambda c: c[:3])
            self.note(f"regime:{regime}:{('', 'region', 'country', 'place')[place]}")
            return regime
        # "without one: `opt_in` for purposes under `train`, else `terms`"
        regime = "opt_in" if self.under_train() else "terms"
        self.note(f"regime:{regime}:none")
        return regime

    # ------------------------------------------------------------------------------- the seven steps

    def reasons(self):
        """'each party that counts … is judged by steps 1 to 7'"""
        # "No entry of `s` with `since ≤ T`: `gap: unknown-subject`, and nothing more."
        joined = self.k.joined(self.s)
        if joined is None or joined > self.T:
            return {"unknown-subject"}
        missing = self.step1_known()
        if missing:
            # "In these two cases only what step 2 can still judge is judged besides"
            return missing | self.step2_standing()
        out = (self.step2_standing() | self.step3_law() | self.step4_objection() | self.step5_promise())
        grounds, none_reasons = self.step6_ground()
        # "7 is judged where 6 found a ground"
        return out | (self.step7_choice(grounds) if grounds else none_reasons)

    def step1_known(self):
        out = set()
        # "`t0` missing: `gap: unknown-time`"
        if self.t0 is None:
            out.add("unknown-time")
        # "jurisdiction unknown at `T`, or at a known `t0`: `gap: unknown-jurisdiction` (both may apply)"
        times = [self.T] if self.t0 is None else [self.T, self.t0]
        if any(self.k.attribute(self.s, "jurisdiction", t) is None for t in times):
            out.add("unknown-jurisdiction")
        return out

    def step2_standing(self):
        out = set()
        rules = self.k.rules()
        status = self.status()
        # "`denied: erased` if an erasure or the status `erased` holds at `T`."
        if status == "erased" or any(x["subject"] == self.s and instant(x["at"]) <= self.T
                                     for _, x in self.k.all("erase")):
            out.add("erased")
        # "`denied: closed` if the status is `closed` at `T` and the rule `closed_ends_use` (default true) says so."
        if status == "closed" and rules["closed_ends_use"]:
            out.add("closed")
        born = self.k.attribute(self.s, "born", self.T)  # "the birth date is the one known at `T`"
        if born is None:
            # "None known at `T`: by rule `gap: unknown-age` (default) or taken for an adult (`unknown_age: adult`)."
            if rules["unknown_age"] != "adult" and (self.t0 is not None or self.readings["unknown_age_without_t0"]):
                out.add("unknown-age")
        # "`denied: minor` if younger than the minimum age (default 18) at `t0`"; "(with `t0` missing: all but `minor`)"
        elif self.t0 is not None and utc_date(self.t0) < self.comes_of_age(born, rules["minimum_age"]):
            out.add("minor")
        return out

    def status(self):
        if self.readings["null_status_ends_status"]:
            return self.k.attribute(self.s, "status", self.T)
        own = [(instant(e["since"]), i, e["status"]) for i, e in self.k.subject_entries(self.s)
               if e.get("status") is not None and instant(e["since"]) <= self.T]
        return max(own)[2] if own else None

    @staticmethod
    def comes_of_age(born, age):
        """'a bare year counts as its 31 December, 29 February as 1 March in common years'"""
        text = str(born)
        y, m, d = (int(text), 12, 31) if re.fullmatch(r"\d{4}", text) else map(int, text[:10].split("-"))
        y += age
        leap = y % 4 == 0 and (y % 100 != 0 or y % 400 == 0)
        if (m, d) == (2, 29) and not leap:
            m, d = 3, 1
        return _dt.date(y, m, d)

    def step3_law(self):
        # "`denied: prohibited-here` if it is `prohibited` at `T`"
        if self.regime(self.T) == "prohibited":
            return {"prohibited-here"}
        # "or at `t0`, unless a consent that covers the record was given at an instant at which it was known not to be
        # `prohibited` (the jurisdiction of `s` known then)"
        if self.regime(self.t0) == "prohibited":
            if any(self.k.attribute(self.s, "jurisdiction", at) is not None and self.regime(at) != "prohibited"
                   for at, _, _ in self.covering_consents()):
                self.note("prohibited-at-t0-lifted")
            else:
                return {"prohibited-here"}
        return set()

    def objections(self):
        """'with neither it … is an objection. `object` is an objection alone.' At or before T."""
        out = [(instant(x["at"]), i) for i, x in self.k.all("object") if x["subject"] == self.s]
        out += [(instant(x["at"]), i) for i, x in self.k.all("withdraw")
                if x["subject"] == self.s and self.withdraws_all(x)]
        return [o for o in out if o[0] <= self.T]

    def step4_objection(self):
        """'`denied: objected` if the purpose is under `train` and `s` objected at or before `T` and has not, after the
        last objection and by `T`, said yes to this use: by a consent of matching scope that is not withdrawn, or by an
        explicit choice of on for a setting that governs it.'"""
        objections = self.objections()
        if not self.under_train() or not objections:
            return set()
        last = max(objections)
        for c in self.matching_consents():
            if c[:2] > last and not self.withdrawn(c) and (
                    self.readings["expired_consent_lifts_objection"] or not self.expired(c)):
                self.note("objection-lifted-by-consent")
                return set()
        for setting in self.governing():
            if not self.readings["unintroduced_setting_lifts_objection"] and not self.k.exists(setting, self.T):
                continue
            if any(on and (at, i) > last for at, i, on, _ in self.explicit_choices(setting)):
                self.note("objection-lifted-by-choice")
                return set()
        return {"objected"}

    def step5_promise(self):
        """'`denied: promised-not-to` if a `forbid` or `limit` clause covering (u, r) binds at `t0` or at `T`' 'Only a
        consent that covers the record lifts it, if given at or after that version's `effective_at`; each promise must
        be lifted.'"""
        promises = self.promises(self.t0) + self.promises(self.T)
        for version, _ in promises:
            if not any(at >= instant(version["effective_at"]) for at, _, _ in self.covering_consents()):
                return {"promised-not-to"}
        if promises:
            self.note("promise-lifted")
        return set()

    def step6_ground(self):
        grounds = {}
        # "(i) A `permit` clause covering (u, r) bound `s` at `t0`."
        if self.permits(self.t0):
            grounds["i"] = self.permits(self.t0)
        # "(ii) One that `reaches_back` binds at `T`, in a version that `s` accepted by an affirmative act (`click` or
        # `signed`) at or before `T`."
        back = [(v, c) for v, c in self.permits(self.T) if c.get("reaches_back", False) and self.accepted(v, self.T)]
        if back:
            grounds["ii"] = back
        # "(iii) A consent covers the record."
        if self.covering_consents():
            grounds["iii"] = self.covering_consents()
        for g in grounds:
            self.note("ground-found:" + g)
        if grounds:
            return grounds, set()
        none = set()
        # "None: `denied: retroactive` if a permit covering it binds at `T` by a version effective after `t0`"
        for v, _ in self.permits(self.T):
            if instant(v["effective_at"]) > self.t0 or (
                    self.readings["retroactive"] == "or_published" and instant(v["published_at"]) > self.t0):
                none.add("retroactive")
        # "`denied: not-noticed` if of some document the newest version in effect for `s` at `t0` has such a permit and
        # `s` had not been told of it"
        for d in self.documents():
            v = self.newest(d, self.t0)
            if v is not None and any(self.is_permit(c) for c in v["clauses"]) and not self.told(v, self.t0):
                none.add("not-noticed")
        # "neither: `denied: no-ground`. (The first two may both apply.)"
        return {}, none or {"no-ground"}

    def step7_choice(self, grounds):
        """'One ground that holds is enough; if none does, the reasons of all apply.'"""
        out = set()
        held = []
        for name, what in grounds.items():
            reasons = {"i": self.ground_i, "ii": self.ground_ii, "iii": self.ground_iii}[name](what)
            if not reasons:
                held.append(name)
            out |= reasons
        if held:
            self.note("ground-held:" + "+".join(held))
            return set()
        return out

    def ground_i(self, permits_of_t0):
        """'Ground (i) holds if some permit of `t0` holds *and* some permit covering (u, r) binds at `T` and holds; no
        such permit at `T` any more: `permission-ended`.' 'A half of ground (i) that holds adds no reasons.'"""
        out = self.some_permit_holds(permits_of_t0)
        permits_of_T = self.permits(self.T)
        return out | (self.some_permit_holds(permits_of_T) if permits_of_T else {"permission-ended"})

    def ground_ii(self, permits):
        """'Ground (ii) holds if one of its permits holds.'"""
        return self.some_permit_holds(permits)

    def ground_iii(self, _):
        """'Ground (iii) holds.'"""
        return set()

    def some_permit_holds(self, permits):
        """{} if one of them holds, else the reasons of all"""
        each = [self.permit_reasons(c) for _, c in permits]
        return set() if any(not r for r in each) else set().union(*each)

    def permit_reasons(self, clause):
        """'A permit holds by its condition'; {}: holds"""
        condition = clause.get("condition")
        if condition is None:
            return self.by_no_condition()
        if condition == "consent":
            return self.by_consent()
        return self.by_setting(condition["setting"])

    def by_no_condition(self):
        """'*no condition*: holds if the regime is `terms` at `t0` and at `T`; else `no-opt-in` where it is `opt_in` (or
        `prohibited`) at either, and `no-choice-offered` where it is `opt_out` at either.'"""
        either = {self.regime(self.t0), self.regime(self.T)}
        out = set()
        if either & {"opt_in", "prohibited"}:
            out.add("no-opt-in")
        if "opt_out" in either:
            out.add("no-choice-offered")
        return out

    def by_setting(self, setting):
        # "a setting not introduced by `T`: `before-choice`, whatever else is recorded of it."
        if not self.k.exists(setting, self.T):
            return {"before-choice"}
        choices = self.explicit_choices(setting)
        if choices:
            return self.by_setting_chosen(setting, choices)
        return self.by_setting_never_chosen(setting)

    def by_setting_chosen(self, setting, choices):
        # "*setting*, with the last **explicit** choice at or before `T`: off: `opted-out`."
        if not choices[-1][2]:
            return {"opted-out"}
        # "On: fine if any of the unbroken run of on-choices up to `T` says `covers_past`"
        for _, _, on, covers_past in reversed(choices):
            if not on:
                break
            if covers_past:
                self.note("choice-covers-past")
                return set()
        # "else the switch must have existed at `t0` (`before-choice`)"; "Last choice on with a switch younger than
        # `t0`'s record: `before-choice` alone."
        if not self.k.exists(setting, self.t0):
            return {"before-choice"}
        # "and been on for `s` then, by the last explicit choice at or before `t0`"
        by_t0 = [c for c in choices if c[0] <= self.t0]
        if by_t0:
            return set() if by_t0[-1][2] else {"written-while-off"}
        if self.readings["signal_off_at_t0"] and self.signal_of_off(setting, self.t0):
            return {"written-while-off"}
        # "or, with none, by its default at `t0` in a regime (judged at `t0`) of `terms` or `opt_out`
        # (else `written-while-off`)."
        if self.k.default(setting, self.s, self.t0) and self.regime(self.t0) in ("terms", "opt_out"):
            self.note("chosen-on-later-default-on-at-t0")
            return set()
        return {"written-while-off"}

    def by_setting_never_chosen(self, setting):
        out = set()
        # "a signal of off … at or before `T`: `opted-out`." "A signal's `opted-out` is kept beside whatever else of
        # its bullet applies."
        if self.signal_of_off(setting, self.T):
            out.add("opted-out")
        # "And: default off for `s` at `T`: `off-by-default`."
        if not self.k.default(setting, self.s, self.T):
            return out | {"off-by-default"}
        # "Default on: it counts only where the regime is `terms` or `opt_out` at `t0` and at `T` (else `no-opt-in`)"
        if not {self.regime(self.t0), self.regime(self.T)} <= {"terms", "opt_out"}:
            out.add("no-opt-in")
        # "and the switch must have existed at `t0` (else `before-choice`), with its default for `s` on then (else, if
        # it existed, `written-while-off`). All that apply are kept."
        if not self.k.exists(setting, self.t0):
            out.add("before-choice")
        elif not self.k.default(setting, self.s, self.t0):
            out.add("written-while-off")
        if not out:
            self.note("held-by-default-on")
        return out

    def by_consent(self):
        """'*consent*: holds if a consent covers the record; else, over the consents of matching scope given by `T`,
        those that apply of `consent-withdrawn`, `consent-expired` and, for one overridden by a switch (below),
        `opted-out`; none of them: `no-consent`.'"""
        if self.covering_consents():
            return set()
        out = set()
        for c in self.matching_consents():
            if self.withdrawn(c):
                out.add("consent-withdrawn")
            if self.expired(c):
                out.add("consent-expired")
            if self.overridden(c):
                out.add("opted-out")
                self.note("consent-overridden")
        return out or {"no-consent"}


# --------------------------------------------------------------------------------------- the record

def party_verdict(reasons):
    """'a certain no beats a missing fact, a missing fact beats a yes'"""
    if any(r in DENIALS for r in reasons):
        return "denied"
    return "gap" if reasons else "allowed"


def in_order(reasons):
    return sorted(reasons, key=ORDER.index)


def parties(record):
    """'author, then addressees as listed, each once'"""
    return list(dict.fromkeys([record["author"]] + list(record.get("addressees") or [])))


def decide(known, record, purpose, recipient, T, readings, trace=None):
    def alone(verdict, reason):
        """'in these three cases nothing else is judged and no party is named'"""
        return {"record": record["id"], "verdict": verdict, "reason": reason, "party": None, "reasons": {}}

    created, deleted = instant(record.get("created_at")), instant(record.get("deleted_at"))
    # "a record with `created_at > T` is `denied: not-yet`"
    if created is not None and created > T:
        return alone("denied", "not-yet")
    # "one with `deleted_at ≤ T` is `denied: deleted`"
    if deleted is not None and deleted <= T:
        return alone("denied", "deleted")
    # "one without an author `gap: unknown-subject`"
    if record.get("author") is None:
        return alone("gap", "unknown-subject")

    rules = known.rules()
    cats = categories_of(record)
    # "In the categories under `all_parties` (default: `private_message`) author and addressees must all be allowed:
    # worst first (denied, gap, allowed)." "A listed category holds those below it."
    if any(list_covers(rules["all_parties"], c) for c in cats):
        rule, who, best_first = "all", parties(record), ["denied", "gap", "allowed"]
    # "Under `any_party` (default: none; `all_parties` wins where both hold) one is enough: best first."
    elif any(list_covers(rules["any_party"], c) for c in cats):
        rule, who, best_first = "any", parties(record), ["allowed", "gap", "denied"]
    # "Otherwise the author decides and alone is judged."
    else:
        rule, who, best_first = "author", parties(record)[:1], ["denied", "gap", "allowed"]

    reasons = {s: in_order(Question(known, s, record, purpose, recipient, T, readings, trace).reasons()) for s in who}
    verdicts = {s: party_verdict(reasons[s]) for s in who}
    verdict = min(verdicts.values(), key=best_first.index)
    if trace is not None:
        trace[f"rule:{rule}:{min(len(who), 3)}:{verdict}"] += 1
    out = {"record": record["id"], "verdict": verdict, "reason": None, "party": None, "reasons": reasons}
    if verdict != "allowed":
        # "The record's reason is the first reason, in the order below, of the first party … that has the record's
        # verdict."
        out["party"] = next(s for s in who if verdicts[s] == verdict)
        out["reason"] = reasons[out["party"]][0]
    return out


def evaluate(case, readings=None, trace=None):
    readings = {**READINGS, **(readings or {})}
    events = case.get("events") or []
    records = {r["id"]: r for r in case.get("records") or []}
    out = []
    for x in case.get("expect") or []:
        # "`as_of: k` means that only the first k events are known."
        n = len(events) if x.get("as_of") is None else x["as_of"]
        out.append(decide(Known(events, n), records[x["record"]], x["purpose"], x["recipient"], instant(x["at"]),
                          readings, trace))
    return out
