"""Random but valid case files (as parsed YAML), small worlds full of ties.

    random_case(rng)       -> case; `expect` items carry record, purpose, recipient, at, perhaps as_of
    with_expectations(case)-> the same with verdict, reason, party, reasons filled in from the oracle
    as_yaml(case)          -> text (JSON, which is YAML 1.2)

MISSING: how a missing created_at / author / attribute is written: "null", "absent" or "both" (random).
"""
from __future__ import annotations

import datetime as dt
import json
import random

MISSING = "both"
US = 1
HOUR = 3600 * 1_000_000
DAY = 24 * HOUR
EPOCH = dt.datetime(1970, 1, 1)


def us(text):
    return (dt.datetime.fromisoformat(text) - EPOCH) // dt.timedelta(microseconds=1)


def spell(rng, t):
    """One of the spellings of an instant"""
    x = EPOCH + dt.timedelta(microseconds=t)
    if t % DAY == 0 and rng.random() < 0.8:
        return x.strftime("%Y-%m-%d")
    shift, zone = rng.choice([(0, ""), (0, "Z"), (0, "Z"), (2, "+02:00"), (-5, "-05:00")])
    x += dt.timedelta(hours=shift)
    return x.strftime("%Y-%m-%dT%H:%M:%S") + (f".{x.microsecond:06d}" if x.microsecond else "") + zone


# Days around which something happens to membership of regions and to ages.
THEMES = [
    ("2024-09-18", "2024-09-18"), ("2024-09-18", "2024-09-18"), ("2024-09-18", "2024-09-18"),
    ("2020-02-01", "2020-02-01"),      # GB leaves
    ("2013-07-01", "2013-07-01"),      # HR joins
    ("2022-03-01", "2022-03-01"),      # 29 February in a common year
    ("2024-02-29", "2024-02-29"),      # and in a leap year
    ("2022-12-31", "2022-12-31"),      # bare years
]
JURISDICTIONS = [
    ["US-CA", "US", "US-NY"], ["DE", "DE-BY", "FR"], ["GB", "GB-SCT", "IE"], ["CN", "HK", "CN-HK", "CN-BJ"],
    ["NO", "IS", "CH"], ["HR", "SI"], ["US-CA", "DE"], ["GB", "US"], ["HR", "NO", "GB"], ["US"], ["TW", "CN-TW", "CN"]]
PLACES = ["EU", "EEA", "GB", "US", "US-CA", "CN", "HK", "CN-HK", "CH", "NO", "HR", "DE", "TW", "IE", "DE-BY"]
EUROPE = ["DE", "FR", "GB", "IE", "NO", "IS", "HR", "SI"]
TIERS = ["basic", "premium"]
PURPOSES = ["train.generative", "train.other", "improve", "safety", "ads"]
RECIPIENTS = ["operator", "affiliate:aff", "third_party:acme", "third_party:other", "processor:host"]
CATEGORIES = ["private_message", "private_message.inmail", "post", "comment", "comment.reply", "article", "profile", "feedback"]
TOPICS = ["compensation", "intellectual_property"]


class Maker:
    def __init__(self, rng):
        self.r = rng
        self.theme = us(rng.choice(THEMES)[0])
        self.pool = self.make_pool()
        self.places = rng.choice(JURISDICTIONS)
        region_theme = {us("2020-02-01"): ["GB", "GB-SCT"], us("2013-07-01"): ["HR"]}.get(self.theme)
        if region_theme and rng.random() < .85:
            self.places = region_theme
        self.focus_purpose = rng.choice(["train.generative"] * 7 + ["train.other", "improve", "safety"])
        self.focus_recipient = rng.choice(["operator"] * 4 + ["affiliate:aff", "third_party:acme", "third_party:acme", "processor:host"])
        self.focus_category = rng.choice(["private_message", "private_message.inmail", "post", "post", "comment.reply", "article"])
        self.calm = rng.random() < .65
        self.forbidden = "for a while" if rng.random() < .1 else ""
        self.any_world = rng.random() < .12
        self.kind = rng.choice(["plain", "plain", "switch", "switch", "consent", "back", "quiet", "wild"])

    def p(self, x):
        return self.r.random() < x

    def trouble(self, x):
        """Something that mostly ends in a denial or a gap: rarer in a calm world"""
        return self.r.random() < (x * .35 if self.calm else x)

    # ------------------------------------------------------------------------------------- instants

    def make_pool(self):
        r, b = self.r, self.theme
        steps = [-400 * DAY, -30 * DAY, -2 * DAY, -DAY, -DAY + US, -HOUR, -US, 0, US, 2 * US, HOUR, DAY, DAY + US, 2 * DAY,
                 30 * DAY, 30 * DAY + US, 100 * DAY]
        chosen = set(r.sample(steps, r.randint(6, 9))) | {-US, 0, US} | ({-DAY, DAY} if r.random() < .5 else set())
        return sorted(b + s for s in list(chosen)[:12])

    def any(self):
        return self.r.choice(self.pool)

    def early(self):
        n = len(self.pool)
        return self.pool[min(self.r.randrange(n), self.r.randrange(n), self.r.randrange(n))]

    def late(self):
        n = len(self.pool)
        return self.pool[max(self.r.randrange(n), self.r.randrange(n))]

    def say(self, t):
        return spell(self.r, t)

    # --------------------------------------------------------------------------------------- scopes

    def purposes(self, narrow=False):
        f = self.focus_purpose
        if self.p(.92):
            out = [self.r.choice([f, f.split(".")[0]] if narrow or self.p(.8) else [f, "any"])]
            if self.p(.2):
                out.append(self.r.choice(PURPOSES))
        else:
            out = self.r.sample(PURPOSES + ["train"], self.r.randint(1, 2))
        return list(dict.fromkeys(out))

    def categories(self):
        f = self.focus_category
        x = self.r.random()
        if x < .6:
            return [self.r.choice([f, f.split(".")[0]])]
        if x < .8:
            return ["any"]
        if x < .88:
            return [self.r.choice(["topic", "topic:" + self.r.choice(TOPICS)])] + ([f] if self.p(.3) else [])
        return self.r.sample(CATEGORIES, self.r.randint(1, 3)) + ([f] if self.p(.5) else [])

    def recipients(self):
        f = self.focus_recipient
        x = self.r.random()
        if x < .7:
            return [self.r.choice([f, f.split(":")[0]])]
        if x < .88:
            return ["any"]
        return self.r.sample(["operator", "affiliate", "third_party", "third_party:acme", "processor"], 2)

    def jurisdiction(self):
        return self.r.choice(self.places)

    def place_list(self):
        own = self.jurisdiction()
        around = [own, own.split("-")[0], "EU", "EEA", own]
        n = self.r.choice([1, 1, 2, 3])
        return list(dict.fromkeys(self.r.choice(around if self.p(.7) else PLACES) for _ in range(n)))

    def side(self, values, low=.5):
        x = self.r.random()
        if x < low:
            return values()
        if x < .85:
            other = [v for v in values()]
            return {"not_in": other}
        return {"in": values(), "not_in": values()}

    def audience(self, everybody=.7):
        """None: leave the key out"""
        if self.p(everybody):
            return None if self.p(.7) else {}
        out = {}
        if self.p(.65):
            out["jurisdictions"] = self.side(self.place_list)
        if self.p(.5) or not out:
            out["tiers"] = self.side(lambda: [self.r.choice(TIERS)])
        return out

    # -------------------------------------------------------------------------------------- entries

    def born(self):
        x = self.r.random()
        if not self.trouble(.16):
            return self.r.choice([1980, "1980-05-05", 1961])
        x = .84 + .16 * x
        if x < .87:
            return None
        day = dt.date(1970, 1, 1) + dt.timedelta(days=self.any() // DAY)
        age = self.r.choice([18, 18, 18, 16, 13])
        if x < .91:
            return day.year - age - self.r.choice([0, 0, 1])
        if x < .96:
            y = day.year - age
            return f"{y - y % 4:04d}-02-29"
        d = day + dt.timedelta(days=self.r.choice([-1, 0, 0, 1]))
        try:
            return d.replace(year=d.year - age).isoformat()
        except ValueError:
            return d.replace(year=d.year - age, day=28).isoformat()

    def status(self):
        return self.r.choice(["active"] * 14 + ["closed", "closed", "erased", None])

    def subject_entries(self, s):
        r = self.r
        since = self.theme - r.choice([3000, 900, 900, 900]) * DAY if not self.trouble(.25) else self.early()
        first = {"subject": s, "since": self.say(since)}
        for name, value, missing in (("jurisdiction", self.jurisdiction(), .02), ("tier", r.choice(TIERS), .12),
                                     ("born", self.born(), .03), ("status", "active" if self.p(.9) else self.status(), .15)):
            if self.p(missing):
                if self.p(.5) and MISSING != "absent" or MISSING == "null":
                    first[name] = None
            else:
                first[name] = value
        out = [first]
        for _ in range(r.choice([0, 0, 0, 0, 1, 1] if self.calm else [0, 0, 1, 1, 2, 3])):
            e = {"subject": s, "since": self.say(since if self.p(.15) else since - DAY if self.p(.06) else self.any())}
            kind = r.choice(["tier", "tier", "tier", "jurisdiction", "jurisdiction", "born", "status", "status", "tier+jurisdiction"])
            for name in kind.split("+"):
                e[name] = {"tier": lambda: r.choice(TIERS + [None]), "jurisdiction": lambda: r.choice(self.places * 3 + [None]),
                           "born": self.born, "status": self.status}[name]()
            out.append(e)
        if self.p(.03):  # closed or erased, then unknown
            a, b = sorted(r.choice(self.pool) for _ in "ab")
            out.append({"subject": s, "since": self.say(a), "status": r.choice(["closed", "erased"])})
            out.append({"subject": s, "since": self.say(b), "status": r.choice([None, None, "active"])})
        return out

    def condition(self):
        x = self.r.random()
        none, setting = {"switch": (.15, .75), "consent": (.15, .35), "plain": (.5, .75), "back": (.3, .7)}.get(self.kind, (.3, .7))
        if x < none:
            return None
        if x < setting and self.settings:
            return {"setting": self.r.choice(self.settings)}
        return "consent" if self.p(.5) or not self.settings else {"setting": self.r.choice(self.settings)}

    def clause(self, n, may_permit):
        effect = self.r.choices(["permit", "forbid", "limit"], [91, 5, 4] if may_permit else [0, 7, 3])[0]
        c = {"id": f"c{n}", "effect": effect, "purposes": self.purposes(), "categories": self.categories(),
             "recipients": self.recipients()}
        if effect == "permit":
            condition = self.condition()
            if condition is not None:
                c["condition"] = condition
            if self.p(.75 if self.kind == "back" else .1):
                c["reaches_back"] = True
            elif self.p(.2):
                c["reaches_back"] = False
        else:
            if effect == "limit":
                c["purposes"] = self.r.sample(["improve", "safety", "ads", "train.other"], self.r.randint(1, 2)) + (
                    [self.focus_purpose] if self.p(.5) else [])
            if not self.trouble(.65):  # promises are often about something else
                c["recipients"] = ["third_party:other"]
        if self.p(.2):
            c["quote"] = "We say so."
        return c

    def document(self, d):
        r = self.r
        may_permit = d == "pp" or self.p(.8)
        kind = r.choice(["privacy_policy", "user_agreement", "subscription_agreement", "data_processing_agreement"]
                        if may_permit else ["faq", "setting_text", "email", "statement"])
        out = []
        for n in range(r.choice([1, 1, 2, 2, 3, 4])):
            effective = (self.theme - 1000 * DAY if n == 0 and self.p(.78) else self.early() if self.p(.6) else self.any())
            early_pair = n == 1 and self.p(.12)  # superseded already at joining, and only for some
            if early_pair:
                effective = self.theme - 950 * DAY
            published = effective if early_pair or self.p(.7) else self.any() if self.p(.5) else effective - r.choice([DAY, US, 40 * DAY])
            v = {"terms": d, "kind": kind, "version": f"v{n}", "published_at": self.say(published),
                 "effective_at": self.say(effective)}
            a = {"tiers": [r.choice(TIERS)]} if early_pair else self.audience(.72)
            if a is not None:
                v["audience"] = a
            if self.p(.3):
                v["notice_days"] = r.choice([0, 1, 1, 2, 30])
            k = r.choice([0, 1, 1, 2]) if n and self.kind in ("quiet", "wild") else r.choice([1, 1, 2])
            v["clauses"] = [self.clause(i, may_permit) for i in range(k)]
            if may_permit and self.p(.6 if n == 0 else .3):  # a permit that is surely about what is asked
                c = {"id": f"c{k}", "effect": "permit", "purposes": self.purposes(narrow=True)[:1],
                     "categories": [self.focus_category.split(".")[0]], "recipients": [self.focus_recipient.split(":")[0]]}
                condition = self.condition()
                if condition is not None:
                    c["condition"] = condition
                if self.p(.6 if self.kind == "back" else .05):
                    c["reaches_back"] = True
                v["clauses"].append(c)
            out.append(v)
        return out

    def defaults(self):
        def value():
            return "on" if self.p(.7) else "off"
        out = []
        for _ in range(self.r.choice([0, 1, 1, 2])):
            a = self.audience(.25)
            out.append({**({"audience": a} if a is not None else {}), "value": value()})
        if self.p(.6):
            out.append({"value": value()})
        return out

    def setting_entries(self, g):
        at = self.theme - 500 * DAY if self.p(.55) else self.early() if self.p(.8) else self.any()
        out = [{"setting": g, "introduced_at": self.say(at), "defaults": self.defaults()}]
        for _ in range(self.r.choice([0, 0, 0, 1, 1, 2])):
            out.append({"setting": g, "since": self.say(self.any()), "defaults": self.defaults()})
        return out

    def regimes(self):
        out = []
        for _ in range(self.r.choice([0, 0, 1, 1, 2, 3] if self.calm else [0, 1, 2, 3, 4])):
            own = self.jurisdiction()
            near = [own if self.p(.5) else own.split("-")[0], self.jurisdiction()]
            if own[:2] in EUROPE and self.p(.5):  # by the region alone, so that its dates decide
                near = [self.r.choice(["EU", "EEA"])]
            x = {"jurisdictions": list(dict.fromkeys(near)) if self.p(.8) else self.place_list(),
                 "regime": self.r.choices(["terms", "opt_out", "opt_in", "prohibited"], [42, 40, 13, 5])[0]}
            if self.p(.6):
                x["from"] = self.say(self.early() if self.p(.7) else self.any())
            if self.p(.3):
                x["purposes"] = self.purposes()
            if self.p(.12):
                x["categories"] = self.categories()
            if self.p(.12):
                x["recipients"] = self.recipients()
            out.append({"regime": x})
        if self.forbidden == "for a while":
            a, b = sorted(self.r.sample(self.pool, 2))
            place = self.jurisdiction()
            out.append({"regime": {"jurisdictions": [place], "regime": "prohibited", "from": self.say(a)}})
            out.append({"regime": {"jurisdictions": [place], "regime": self.r.choice(["terms", "opt_out", "opt_in"]), "from": self.say(b)}})
        if self.p(.8):  # something that holds them all, and mostly leaves room
            all_of_them = list(dict.fromkeys(self.places))
            if self.p(.4):
                all_of_them = list(dict.fromkeys("EEA" if x[:2] in EUROPE else x for x in self.places))
            out.append({"regime": {"jurisdictions": all_of_them,
                                   "regime": self.r.choice(["terms", "opt_out"] if self.calm else ["terms", "opt_out", "opt_in"])}})
        return out

    def rules(self):
        out = {}
        for k, v in (("all_parties", lambda: self.r.choice([["private_message"], [], ["private_message.inmail"], ["post", "comment"], ["topic:compensation"], ["any"]])),
                     ("any_party", lambda: self.r.choice([[], ["private_message"], ["post"], ["topic"], [self.focus_category]])),
                     ("minimum_age", lambda: self.r.choice([13, 16, 18, 18])),
                     ("unknown_age", lambda: self.r.choice(["gap", "adult"])),
                     ("closed_ends_use", lambda: self.p(.5))):
            if self.p(.4):
                out[k] = v()
        return {"rules": out or {"minimum_age": 18}}

    def scope(self):
        return {"purposes": self.purposes(narrow=True), "categories": self.categories(), "recipients": self.recipients()}

    # ---------------------------------------------------------------------------------- the world

    def world(self):
        """(needs, gives, entry) triples; `needs` must all have been given earlier in the ledger"""
        r = self.r
        items = []
        self.subjects = ["ann", "bob", "cy", "dee"][:r.choice([1, 2, 2, 3, 3, 4])]
        self.settings = ["g1", "g2"][:r.choice([0, 1, 1, 1, 2])]
        if self.kind == "switch" and not self.settings:
            self.settings = ["g1"]
        documents = ["pp", "ua", "sa", "st"][:r.choice([1, 1, 2, 2, 3, 4])]

        for s in self.subjects:
            es = self.subject_entries(s)
            items.append((set(), {("s", s)}, es[0]))
            items += [({("s", s)}, set(), e) for e in es[1:]]
        for g in self.settings:
            es = self.setting_entries(g)
            items.append((set(), {("g", g)}, es[0]))
            items += [({("g", g)}, set(), e) for e in es[1:]]
        versions = []
        for d in documents:
            for v in self.document(d):
                versions.append(v)
                items.append((set(), {("v", d, v["version"])}, v))
        # a clause names only settings of this file: true by construction
        told = {"quiet": .3, "wild": .4}.get(self.kind, .65)
        for v in versions:
            name = {"terms": v["terms"], "version": v["version"]}
            need = {("v", v["terms"], v["version"])}
            if self.p(.3):
                x = {**name, "to": self.audience(.4) or {}, "channel": "banner", "at": self.say(self.any())}
                items.append((need, set(), {"notice": x}))
            for s in self.subjects:
                if self.p(told):
                    x = {**name, "to": s, "at": self.say(self.early() if self.p(.6) else self.any())}
                    if self.p(.4):
                        x["channel"] = r.choice(["email", "banner"])
                    if self.p(.15):
                        x["delivered"] = self.p(.5)
                    items.append((need | {("s", s)}, set(), {"notice": x}))
                if self.p(.6 if self.kind == "back" else .15):
                    x = {**name, "subject": s, "at": self.say(self.any()),
                         "manner": r.choices(["click", "signed", "continued_use"], [5, 2, 3])[0]}
                    items.append((need | {("s", s)}, set(), {"accept": x}))
        items += [(set(), set(), e) for e in self.regimes()]
        for _ in range(r.choice([0, 0, 0, 1, 2])):
            items.append((set(), set(), self.rules()))
        if self.any_world:
            items.append((set(), set(), {"rules": {"all_parties": r.choice([[], ["feedback"], ["private_message.inmail"], ["topic:compensation"], ["topic"]]),
                                                   "any_party": [self.focus_category.split(".")[0]]}}))

        consent_id = 0
        for s in self.subjects:
            need = {("s", s)}
            # a tied subject does everything at two or three instants only, and more of it
            tied = self.p(.25)
            few = [self.any() for _ in range(r.choice([1, 2, 2, 3]))]

            def when():
                return r.choice(few) if tied else self.any()
            if self.forbidden == "for a while" and self.p(.6):
                consent_id += 1
                c = f"k{consent_id}"
                items.append((need, {("c", c)}, {"consent": {
                    "id": c, "subject": s, "purposes": [self.focus_purpose.split(".")[0]], "categories": ["any"],
                    "recipients": [self.focus_recipient], "covers_past": True,
                    "at": self.say(self.theme - 3100 * DAY if self.p(.3) else when())}}))
            for g in self.settings:
                for _ in range(r.choice([1, 2, 3, 4]) if tied else r.choice([0, 0, 1, 1, 2, 3])):
                    by = r.choices(["member", "guardian", "operator", "signal"], [6, 1, 1, 3])[0]
                    x = {"subject": s, "setting": g, "value": ("off" if self.p(.75) else "on") if by == "signal" else "on" if self.p(.68) else "off",
                         "at": self.say(when())}
                    if by != "member" or self.p(.3):
                        x["by"] = by
                    if x["value"] == "on" and self.p(.22):
                        x["covers_past"] = True
                    elif self.p(.1):
                        x["covers_past"] = False
                    items.append((need | {("g", g)}, set(), {"choose": x}))
                if self.trouble(.06):
                    items.append((need | {("g", g)}, set(), {"withdraw": {"subject": s, "setting": g, "at": self.say(when())}}))
            for _ in range(r.choice([0, 0, 0, 1, 2]) if self.kind != "consent" else r.choice([1, 1, 2, 3])):
                consent_id += 1
                c = f"k{consent_id}"
                at = self.early() if not tied and self.p(.5) else when()
                x = {"id": c, "subject": s, **self.scope(), "at": self.say(at)}
                if self.p(.45):
                    x["covers_past"] = self.p(.8)
                if self.p(.35):
                    x["expires_at"] = self.say(self.any() if self.p(.8) else self.pool[-1] + DAY)
                items.append((need, {("c", c)}, {"consent": x}))
                if self.trouble(.22):
                    items.append(({("c", c)}, set(), {"withdraw": {"subject": s, "consent": c, "at": self.say(when())}}))
            if self.trouble(.3 if tied else .08):
                items.append((need, set(), {"withdraw": {"subject": s, "at": self.say(when())}}))
            if self.trouble(.3 if tied else .06):
                items.append((need, set(), {"object": {"subject": s, "at": self.say(when())}}))
            if self.trouble(.03):
                items.append((need, set(), {"erase": {"subject": s, "at": self.say(self.any())}}))
        return items

    def ledger(self, items):
        """A random order in which every reference is to an earlier entry"""
        self.r.shuffle(items)
        given, out, waiting = set(), [], items
        while waiting:
            left = []
            for needs, gives, e in waiting:
                if needs <= given:
                    out.append(e)
                    given |= gives
                else:
                    left.append((needs, gives, e))
            # late comers are put where they become possible, or anywhere after
            waiting = left
        return out

    # ----------------------------------------------------------------------------------- questions

    def record(self, n):
        r = self.r
        x = {"id": f"r{n}", "category": self.focus_category if self.p(.85) else r.choice(CATEGORIES)}
        if not self.trouble(.05):
            x["created_at"] = self.say(self.any() if self.p(.6) else self.theme - 700 * DAY if self.p(.12) else self.early())
        elif MISSING == "null" or MISSING == "both" and self.p(.6):
            x["created_at"] = None
        if not self.trouble(.035):
            x["author"] = r.choice(self.subjects) if self.p(.97) else "zed"
        elif MISSING == "null" or MISSING == "both" and self.p(.6):
            x["author"] = None
        if x["category"].startswith("private_message") or self.p(.15) or self.any_world:
            x["addressees"] = [r.choice(self.subjects + self.subjects + ["zed"] if self.p(.2) else self.subjects)
                               for _ in range(r.choice([1, 1, 1, 2, 3]))]
        if self.p(.3):
            x["topics"] = r.sample(TOPICS, r.choice([1, 1, 2]))
        if self.trouble(.07):
            x["deleted_at"] = self.say(self.late())
        elif self.p(.1):
            x["deleted_at"] = None
        if self.p(.1):
            x["body"] = "…"
        return x

    def question(self, records, n):
        x = {"record": self.r.choice(records)["id"],
             "purpose": self.focus_purpose if self.p(.8) else self.r.choice(PURPOSES),
             "recipient": self.focus_recipient if self.p(.8) else self.r.choice(RECIPIENTS),
             "at": self.say(self.pool[-1] if self.p(.65 if self.calm else .4) else self.late() if self.p(.85) else self.any())}
        if self.p(.15):
            x["as_of"] = self.r.randint(2 * n // 3, n)
        return x

    def case(self):
        events = self.ledger(self.world())
        records = [self.record(i) for i in range(self.r.randint(2, 6))]
        expect = [self.question(records, len(events)) for _ in range(self.r.randint(3, 10))]
        return {"case": f"random ({self.kind})", "events": events, "records": records, "expect": expect}


def random_case(rng: random.Random) -> dict:
    return Maker(rng).case()


def with_expectations(case, readings=None):
    from tests.oracle.oracle import evaluate
    out = []
    for x, r in zip(case["expect"], evaluate(case, readings)):
        y = {**x, "verdict": r["verdict"]}
        if r["reason"]:
            y["reason"] = r["reason"]
        if r["party"]:
            y["party"] = r["party"]
        if r["reasons"]:
            y["reasons"] = r["reasons"]
        out.append(y)
    return {**case, "expect": out}


def as_yaml(case):
    return json.dumps(case, ensure_ascii=False, indent=1)
