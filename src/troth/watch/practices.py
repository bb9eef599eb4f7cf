"""What one sentence says that somebody does with somebody's data: actor, action, mode, condition.

A small reader of clauses. It walks over the tokens of a sentence (after those of the line that a list item continues)
and keeps who is acting, whether it is denied, and under what condition; at each action it says what it knows. Rules
and word lists only: the same sentence always reads the same, offline, in linear time, and each practice names its rule.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from troth.watch import words as w
from troth.watch.text import Sentence
from troth.watch.tokens import names, tokenise
from troth.watch.training import Hit, training_hits

READER, SERVICE, AFFILIATE, THIRD = "reader", "service", "affiliate", "third_party"

_AFTER_ACTOR: Final = (
    w.MODAL
    | w.WILL
    | frozenset(
        "use uses process processes also agree agrees use rely relies allow allows train trains develop develops share shares"
        " collect collects store stores retain retains prohibit prohibits reserve reserves acknowledge understand grant"
        " grants who that improve improves hereby only sometimes occasionally either and/or access".split()
    )
)
_OBJECT_BEFORE: Final = frozenset(
    "to with from about for by of on upon against than between like toward towards through".split()
)
_LET: Final = frozenset(
    "allow allows allowing permit permits permitting enable enables enabling let lets letting authorize authorizes"
    " authorise authorises authorizing authorising grant grants granting give gives giving want wants wish prefer license"
    " help helps instruct direct ask consent".split()
)
_GRANT: Final = frozenset("grant grants granting authorize authorise instruct direct".split())
_NO_NAMES: Final = frozenset(
    "us you your the others other any third users such a an these this them it people anyone all some another our".split()
)
_OPT: Final = frozenset("optout disable toggle withdraw unchecking uncheck deselect optin".split())
_CHOOSE: Final = frozenset("choose decide control manage adjust object whether off".split())
_BARE_VERBS: Final = frozenset(
    "use using access copy reproduce extract download distribute exploit utilize utilise create reverse engage attempt"
    " circumvent sell engaging".split()
)
_PURPOSE_STARTS: Final = frozenset("to training developing improving train develop improve for".split())
_DATA_NOUNS: Final = tuple(
    (one,)
    for one in "science protection centre center scientist scientists security privacy controller breach processor".split()
)
_SCRAPE: Final = frozenset(
    "scrape scrapes scraping crawl crawls crawling harvest harvesting mine mining spider scraped".split()
)
_HEAD_FORBIDS: Final = frozenset(
    "prohibited restrictions restriction restricted forbidden don't unacceptable misuse prohibitions not unauthorized".split()
)
_PRACTICE_HEADS: Final = frozenset(
    "use process using processing collect purposes purpose why how information data".split()
)
_WANT: Final = frozenset(
    "want wish like prefer agree consent choose optout optin accept approve allow permit".split()
)
_CONSENT: Final = frozenset("consent permission optin".split())
_BACK: Final = frozenset(
    "already previously past historical historic retroactively retrospectively existing".split()
)
_CONTENT_WORDS: Final = 3


@dataclass(frozen=True, slots=True)
class Practice:
    """Who does what with whose data, of which category, for what, towards whom; and the rule that read it.

    ``mode`` is ``may``, ``will``, ``will-not`` or ``may-not``; ``condition`` ``consent``, ``opt-out``, ``setting`` or
    None. ``implied``: the sentence takes the practice for granted (an opt-out, an announcement).
    """

    actor: str
    action: str
    mode: str
    whose: str
    categories: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    recipient: str | None = None
    condition: str | None = None
    reaches_back: bool = False
    implied: bool = False
    rule: str = ""
    strength: int = 0

    @property
    def affirmed(self) -> bool:
        """Whether the actor does it, or may."""
        return self.mode in ("may", "will")

    @property
    def binds_reader(self) -> bool:
        """Whether it is the reader who is told what to do."""
        return self.actor == READER

    def as_json(self) -> dict[str, object]:
        """Plain JSON values."""
        return {
            "actor": self.actor,
            "action": self.action,
            "mode": self.mode,
            "whose": self.whose,
            "categories": list(self.categories),
            "purposes": list(self.purposes),
            "recipient": self.recipient,
            "condition": self.condition,
            "reaches_back": self.reaches_back,
        }


def practices(sentence: Sentence) -> tuple[Practice, ...]:
    """The practices that a sentence speaks of, in its order."""
    heading = sentence.heading if sentence.kind == "item" or sentence.kind == "cell" else ""
    return _read(sentence.text, sentence.stem, heading, sentence.kind)


@lru_cache(maxsize=100_000)
def _read(text: str, stem: str, heading: str, kind: str) -> tuple[Practice, ...]:
    tokens = tokenise(text)
    hits = training_hits(tokens, tokenise(stem) if stem else ())
    reader = _Clauses(tokens, names(text), kind, {hit.at: hit for hit in hits})
    acts = any(token in w.ACTIONS for token in tokens)
    if not hits and not acts:
        return ()
    if stem:
        reader.begin(tokenise(stem), names(stem), tokenise(heading))
    elif heading:
        reader.begin((), frozenset(), tokenise(heading))
    reader.walk()
    return tuple(reader.found)


@dataclass(slots=True)
class _Clauses:
    """The state of the walk."""

    tokens: tuple[str, ...]
    names: frozenset[str]
    kind: str
    hits: dict[int, Hit]
    found: list[Practice] = field(default_factory=list)
    actor: str | None = None
    aside: str | None = None
    negated: bool = False
    stopping: bool = False
    modal: str | None = None
    opt: bool = False
    explicit: bool = False
    context: frozenset[str] = frozenset()
    stem: tuple[str, ...] = ()

    # --- context

    def begin(self, stem: tuple[str, ...], stem_names: frozenset[str], heading: tuple[str, ...]) -> None:
        """Start from the line that the item continues, and the heading above."""
        head = frozenset(heading)
        if head & _HEAD_FORBIDS and not head & frozenset(("we", "our")):
            self.actor, self.negated = READER, True
        elif "we" in head:
            self.actor = SERVICE
        if stem:
            tokens, named = self.tokens, self.names
            hits, self.hits = self.hits, {}
            self.tokens, self.names = stem, stem_names
            self.walk()
            if self.found:
                self.found.clear()
            self.tokens, self.names, self.hits = tokens, named, hits
            self.aside = None
            self.opt = False
            if self._says_forbidden(0, stem) and self.actor != SERVICE:
                self.actor, self.negated = READER, True
        self.stem = stem
        self.context = frozenset(stem) | head

    # --- the walk

    def walk(self) -> None:
        """Read all tokens."""
        for index, token in enumerate(self.tokens):
            self._step(index, token)

    def _step(self, index: int, token: str) -> None:
        if token == "," or token == ")":
            self.aside = None
        elif token in (
            "but",
            "however",
            "instead",
            "although",
            "though",
            "yet",
            "nevertheless",
            "notwithstanding",
        ):
            self.negated = self.stopping = False
        elif token in w.ASIDE and self.negated:
            self.negated = self.stopping = False
        else:
            self._subject(index, token)
            self._mode(index, token)
        if index in self.hits:
            self._training(self.hits[index])
        elif token in w.ACTIONS:
            self._other(index, token)

    def _at(self, index: int) -> str:
        return self.tokens[index] if 0 <= index < len(self.tokens) else ""

    def _inverted(self, index: int) -> bool:
        """ "nor do we", "under no circumstances will we": the denial stands before its subject."""
        return self.negated and self._at(index - 1) in (
            "will",
            "do",
            "does",
            "did",
            "shall",
            "may",
            "can",
            "would",
        )

    def _set(self, actor: str | None) -> None:
        self.actor, self.aside = actor, None
        self.negated = self.stopping = self.opt = False
        self.modal = None
        self.explicit = actor is not None

    def _subject(self, index: int, token: str) -> None:
        before, after = self._at(index - 1), self._at(index + 1)
        if token in ("ask", "request", "instruct", "require", "tell", "demand") and after in ("us", "that"):
            # "you can ask us to stop …": a right, not what we do.
            self.opt = True
        elif token == "we":
            if self._relative(before):
                return
            inverted = self._inverted(index)
            self._set(SERVICE)
            self.negated = inverted
        elif token == "us":
            if (
                before in _LET
                or (before == "for" and after == "to")
                or (before in ("to", "of") and after in ("using", "training"))
            ):
                self._let(SERVICE)
        elif token == "you":
            self._you(index, before, after)
        elif (
            token in ("our", "the")
            and before == "to"
            and self._at(index - 2) in ("consent", "consents", "agree", "agrees", "consenting", "agreeing")
        ):
            if token == "our" or after in ("use", "processing", "collection", "sharing"):
                self._let(SERVICE)
        elif (
            token in ("allow", "permit", "enable", "let")
            and self.actor == READER
            and not self.negated
            and not self.aside
        ):
            if after not in _NO_NAMES and "to" in self.tokens[index + 2 : index + 8]:
                self._let(SERVICE)
        elif token in _GRANT and self.actor == READER and not self.negated and not self.aside:
            # Whom the reader grants something: us, by whatever name.
            self._let(SERVICE)
        elif token in ("our", "its", "their") and after in (
            "use", "processing", "training", "development", "reliance", "right", "legitimate", "collection",
        ):  # fmt: skip
            if not self.negated and token != "their":
                self._set_noun(SERVICE)
        elif token == "your" and after == "use":
            if before not in (
                "about",
                "of",
                "from",
                "on",
                "through",
                "regarding",
                "and",
                "how",
                "by",
                "with",
                "to",
            ):
                self._set_noun(READER)
        else:
            self._noun_subject(index, token, before, after)

    def _relative(self, before: str) -> bool:
        """ "content that we receive": no new clause; but "and we", ", we" and a first word are."""
        return before in w.DATA and before != "" and self.actor is not None and not self.negated

    def _set_noun(self, actor: str) -> None:
        if self.opt or self.aside:
            return
        self._set(actor)

    def _let(self, actor: str) -> None:
        """ "allow us to …": whom it lets act, unless it is denied (then nobody does)."""
        if self.negated:
            return
        consent = self.actor == READER
        self._set(actor)
        self.opt = False
        if consent:
            self.modal = "may"

    def _you(self, index: int, before: str, after: str) -> None:
        if before in ("how", "whether", "about", "what", "whatever") or before in w.DATA or after in ("'",):
            return
        if before in ("that", "which", "what", "whatever", "wherever") and (
            self._at(index - 2) in w.DATA or after in w.SUPPLY
        ):
            return
        if before in _LET or (before == "for" and after == "to"):
            if not self.negated:
                self._set(READER)
            return
        if before in ("if", "unless"):
            self.aside = READER
            return
        if before in w.SUBORDINATE:
            if self.actor != SERVICE or not self.explicit:
                self.aside = READER
            return
        if before in _OBJECT_BEFORE or after in (
            ",",
            ".",
            ")",
            "to",
            "and",
            "or",
            "with",
            "the",
            "a",
            "in",
            "by",
            "",
        ):
            return
        if after in w.SUPPLY and self.actor == SERVICE and before not in (",", ";", "and", "."):
            return
        self._set(READER)

    def _noun_subject(self, index: int, token: str, before: str, after: str) -> None:
        if (
            before
            in (
                "our",
                "the",
                "these",
                "such",
                "other",
                "any",
                "all",
                "some",
                "certain",
                "those",
                "third",
                "service",
                "third-party",
                "affiliated",
                "selected",
                "your",
                "and",
                "or",
                "no",
                "",
            )
            or index == 0
            or token in self.names
        ):
            pass
        elif token not in ("those", "others", "anyone", "nobody", "everyone") and token not in w.DATA:
            if token not in w.READER_NOUNS | w.THIRD_NOUNS:
                return
        acts = after in _AFTER_ACTOR or (
            after in ("of", "with", ",", "in", "for", "or") and self._acts_soon(index)
        )
        if not acts:
            if token in ("purposes",) or before not in ("the", ""):
                return
            return
        kind = self._kind(index, token, before)
        if kind is None:
            return
        if after in ("who", "that") and kind in (READER, THIRD):
            keep = self.negated, self.stopping
            self._set(kind)
            self.negated, self.stopping = keep
            return
        lately = self.tokens[max(0, index - 5) : index]
        no = (
            before == "no"
            or (self.negated and any(one in ("nor", "neither", "none", "no") for one in lately))
            or (before in ("third", "service") and self._at(index - 2) == "no")
            or token == "nobody"
        )
        if self.aside and before in w.SUBORDINATE:
            return
        self._set(None if kind == "data" else kind)
        if no:
            self.negated = True

    def _acts_soon(self, index: int) -> bool:
        span = self.tokens[index + 1 : index + 7]
        return (
            any(one in w.MAY or one in ("will", "shall") for one in span)
            and "we" not in span
            and "you" not in span
        )

    def _kind(self, index: int, token: str, before: str) -> str | None:
        after = self._at(index + 1)
        if token in w.AFFILIATE_NOUNS and before in ("our", "its", "their", "and", "corporate", "or"):
            return AFFILIATE if self.actor != SERVICE or before == "our" else SERVICE
        if token in ("those", "others", "anyone", "nobody", "everyone"):
            return READER
        if token in w.THIRD_NOUNS and (
            before
            in (
                "third",
                "third-party",
                "our",
                "service",
                "other",
                "the",
                "these",
                "such",
                "selected",
                "ai",
                "no",
                "certain",
            )
            or after in ("may", "who")
        ):
            if before in ("you", "your") or (
                token
                in ("developers", "publishers", "advertisers", "partner", "provider", "party", "company")
                and before not in ("third", "third-party", "our", "service", "other")
            ):
                return READER if token in w.READER_NOUNS else (SERVICE if token in w.SERVICE_NOUNS else THIRD)
            return THIRD
        if token in w.READER_NOUNS:
            return READER
        if token in w.SERVICE_NOUNS and before in ("the", "this", "our", ""):
            return SERVICE
        if token in w.DATA and after in w.MODAL | w.WILL:
            rest = self.tokens[index + 1 : index + 6]
            return (
                "data" if any(one in ("be", "used", "is", "are", "been", "being") for one in rest) else None
            )
        if token in self.names and token not in w.NOT_NAMES and not token.isdigit():
            return SERVICE
        return None

    def _mode(self, index: int, token: str) -> None:
        after, before = self._at(index + 1), self._at(index - 1)
        if token == "off" and self.actor == SERVICE and before in ("switched", "turned"):
            self.negated = True
        elif token == "optout" and self.actor == SERVICE and before in ("have", "has", "we", "is", "are"):
            self.negated = True
        elif (
            token in ("stop", "prevent", "avoid", "exclude")
            and before == "to"
            and self.actor in (None, READER)
            and (frozenset(self.tokens[index + 1 : index + 5]) & frozenset(("your", "us", "our")))
        ):
            self.opt = True
            return
        elif self._offers_choice(index, token, before, after):
            self.opt = True
        elif token in w.MODAL or token in ("do", "does", "is", "are", "did", "has", "have"):
            if (
                after not in w.NOT
                and token != "cannot"
                and before in ("and", "or", ",", "but", "may", "also")
                and before != ""
            ):
                if token in w.MAY or token in ("will", "shall"):
                    self.negated = self.stopping = False
            if token in w.MAY:
                self.modal = "may"
            elif token in ("will", "shall", "do", "does"):
                self.modal = "will"
        if token in w.NOT and not self._no_denial(index, token, after):
            self.negated = True
            if token == "no" and after in ("license", "licence", "right", "rights", "permission"):
                self.stopping = True
        elif token in w.STOPPING and (
            before in ("not", "never", "nothing") or "nothing" in self.tokens[max(0, index - 6) : index]
        ):
            # "does not prevent us from", "nothing here restricts": a denial of a denial.
            self.negated = self.stopping = False
            if after == "us" or (after in ("our", "the") and self._at(index + 2) in ("right", "company")):
                self._set(SERVICE)
        elif (
            token in ("allow", "permit", "authorize", "authorise") and self.negated and self.actor == SERVICE
        ):
            self.stopping = True
        elif token in w.STOPPING and not (
            token == "without" and after not in ("using", "being", "training", "ever")
        ):
            if before not in ("not", "never"):
                if token not in ("prohibited", "restricted", "forbidden", "unauthorized", "unauthorised") or before in (
                    "are", "is", "be", "strictly", "expressly", "be", "not", "any", ":", "", "following", "the", "from", "you",
                    "explicitly", "specifically", "otherwise", "otherwise"):  # fmt: skip
                    self.negated = self.stopping = True

    def _offers_choice(self, index: int, token: str, before: str, after: str) -> bool:
        """ "you can opt out of …", "choose whether we …", "turn off …"."""
        if self.negated or not (self.actor in (READER, None) or self.aside == READER or token == "optout"):
            return False
        if token in _OPT:
            return True
        if token not in _CHOOSE:
            return False
        if token == "off":
            return before in (
                "turn",
                "switch",
                "turned",
                "turning",
                "switched",
                "switching",
                "toggle",
            ) or after in ("model", "ai", "training")
        if token == "object":
            return after == "to"
        ahead = self.tokens[index + 1 : index + 8]
        return token == "whether" or any(
            one in ("whether", "if", "how", "our", "we", "your", "us") for one in ahead
        )

    def _no_denial(self, index: int, token: str, after: str) -> bool:
        if self.actor == READER or self.aside == READER:
            if after in _WANT and (self.aside == READER or self._at(index - 3) in ("if", "where", "when")):
                self.opt = True
                return True
            if after in ("optout", "disable"):
                self.opt = True
                return True
        if token == "no":
            return after in (
                "cost",
                "charge",
                "event",
                "case",
                "way",
                "obligation",
                "guarantee",
                "warranty",
                "control",
                "event",
                "liability",
            )
        if token == "not" and after in ("affect", "apply", "impact", "undo", "reverse"):
            # "will not affect training that took place": the training stands.
            return True
        return after in ("limited", "responsible", "liable", "guarantee", "applicable", "required") or (
            token == "not" and after in ("available",)
        )

    # --- what is found

    def _training(self, hit: Hit) -> None:
        actor = self.aside or self.actor
        sentence = frozenset(self.tokens)
        reads = sentence | self.context
        implied = False
        condition = self._condition(hit.at)
        whose = self._whose(hit.at)
        negated = self.negated
        rule = hit.rule
        if self.opt and actor in (READER, None) and not self._reserved(actor, whose, hit.at):
            actor, negated, implied, rule = SERVICE, False, True, "training-implied-by-opt-out"
            condition = condition or "opt-out"
            if self._denied_later(hit.at):
                negated, rule = True, "promise-not-to-train"
        elif not negated and self._not_on_yours(hit.at):
            negated = True
        elif self._reserved(actor, whose, hit.at):
            actor, negated = READER, True
        elif self._says_forbidden(hit.at, self.tokens):
            negated = True
            if actor != SERVICE or whose != READER:
                actor = READER
        if actor is None:
            actor = self._by_default(hit, reads, whose, negated)
            if actor is None:
                return
        if actor == THIRD and negated and whose != READER:
            actor = READER
        if actor != READER and self.stopping and negated and whose != READER and not self.explicit_promise():
            actor = READER
        if (
            actor in (THIRD, None)
            and not negated
            and sentence & _SCRAPE
            and not sentence & frozenset(("we", "us"))
        ):
            actor = READER
        if hit.passive and whose != READER and not implied and not negated and actor != READER:
            # "models are trained on large amounts of text": nobody's data in particular.
            return
        if hit.own_of_reader and actor in (SERVICE, AFFILIATE) and not negated:
            # A model made for the reader alone.
            return
        if actor == READER:
            rule, mode = "rule-for-the-reader", "may-not" if negated else "may"
        elif negated:
            rule, mode = "promise-not-to-train", "will-not"
        else:
            mode = "may" if self.modal != "will" else "will"
        self.found.append(
            Practice(
                actor=actor,
                action="train",
                mode=mode,
                whose=whose,
                categories=self._categories(),
                purposes=hit.purposes,
                recipient=THIRD if actor == THIRD else None,
                condition=condition,
                reaches_back=bool(sentence & _BACK) and not negated,
                implied=implied or hit.announced,
                rule=rule,
                strength=self._strength(hit, whose, implied, actor),
            )
        )

    def _not_on_yours(self, at: int) -> bool:
        """ "we train on licensed texts, never on your files"."""
        rest = self.tokens[at:]
        return any(
            token in ("not", "never")
            and rest[index + 1 : index + 2] in (("on",), ("with",), ("your",), ("from",))
            and "your" in rest[index + 1 : index + 4]
            for index, token in enumerate(rest)
        )

    def _reserved(self, actor: str | None, whose: str, hit_at: int) -> bool:
        """ "rights of text and data mining are reserved", "… is a violation of these terms"."""
        words = frozenset(self.tokens)
        if whose == READER and "your" in words:
            return False
        if ("tdm" in words and "our" not in self.tokens[max(0, hit_at - 3) : hit_at]) or words & frozenset(
            ("reserved",)
        ):
            return True
        return actor is None and bool(
            words
            & frozenset(
                ("violation", "violates", "violate", "breach", "breaches", "infringes", "infringement")
            )
        )

    def explicit_promise(self) -> bool:
        """Whether it is we who stop others from using the reader's data."""
        return bool(frozenset(self.tokens) & frozenset(("your", "yours", "personal")))

    def _by_default(self, hit: Hit, reads: frozenset[str], whose: str, negated: bool) -> str | None:
        """Who acts where no subject is named; None: nobody in particular, so nothing is said of a practice."""
        words = frozenset(self.tokens)
        ours = "our" in words
        if words & _SCRAPE and "we" not in reads:
            return READER
        if negated:
            says = words & frozenset(("is", "are")) and "used" in words and not ours
            return SERVICE if whose == READER or says else READER
        if whose == READER or "we" in reads or "us" in reads:
            return SERVICE
        practice = self.kind in ("item", "cell") and bool(self.context & _PRACTICE_HEADS)
        if self._at(0) in _BARE_VERBS and words & w.SERVICE_THINGS and "your" not in words:
            return None if practice and ours else READER
        if ours or practice or (self._at(0) in _PURPOSE_STARTS and not hit.passive):
            return SERVICE
        return None

    def _denied_later(self, at: int) -> bool:
        """ "if you opt out of training, we will not …": what follows denies it."""
        rest = self.tokens[at:]
        return any(
            token in ("we", "us") and any(one in ("not", "never") for one in rest[index + 1 : index + 4])
            for index, token in enumerate(rest)
        )

    def _says_forbidden(self, at: int, tokens: tuple[str, ...]) -> bool:
        """ "… to train models is (strictly) prohibited", "… is not permitted"."""
        rest = tokens[at:]
        for index, token in enumerate(rest):
            if token in ("prohibited", "forbidden", "disallowed", "banned") and (
                rest[index - 1]
                in (
                    "is",
                    "are",
                    "be",
                    "strictly",
                    "expressly",
                    "explicitly",
                    "hereby",
                    "also",
                    "specifically",
                )
                if index
                else True
            ):
                return True
            if token in ("permitted", "allowed", "authorized", "authorised") and any(
                one in ("not", "never") for one in rest[max(0, index - 3) : index]
            ):
                return True
            if token in ("requires", "require", "needs") and any(
                one
                in (
                    "license",
                    "licence",
                    "permission",
                    "agreement",
                    "approval",
                    "authorisation",
                    "authorization",
                )
                for one in rest[index : index + 6]
            ):
                return True
            if token in ("we", "you", ";") and index:
                return False
        return False

    def _whose(self, at: int) -> str:
        """Whose data: the reader's, the service's, or unknown."""
        tokens = self.tokens
        together = (*self.stem, *tokens) if self.stem else tokens
        for index, token in enumerate(together):
            following = together[index + 1 : index + 6]
            if token in w.OWNED and any(one in w.DATA for one in following):
                return READER
            if (
                token in ("you", "users", "members", "customers", "individuals")
                and any(one in w.SUPPLY for one in following)
                and any(one in w.DATA for one in together[max(0, index - 4) : index + 8])
            ):
                return READER
            if token == "we" and any(one in w.DATA for one in together[max(0, index - 2) : index]):
                return READER
            if (
                token in ("information", "data")
                and not (self.actor is None and following[:1] == ("used",))
                and following[:1] not in _DATA_NOUNS
                and not any(
                    one in ("public", "publicly", "licensed") for one in together[max(0, index - 2) : index]
                )
                and "our" not in together[max(0, index - 1) : index]
            ):
                return READER
            if (
                token
                in (
                    "interactions",
                    "conversations",
                    "chats",
                    "prompts",
                    "feedback",
                    "posts",
                    "messages",
                    "submissions",
                )
                and "our" not in together[max(0, index - 2) : index]
            ):
                return READER
        if any(token in w.GENERIC_SERVICE_THINGS for token in together):
            return SERVICE
        return "unknown"

    def _categories(self) -> tuple[str, ...]:
        found = {w.CATEGORIES[token] for token in self.tokens if token in w.CATEGORIES}
        return tuple(sorted(found))

    def _condition(self, at: int) -> str | None:
        tokens = frozenset(self.tokens)
        if tokens & _CONSENT and "without" not in tokens:
            return "consent"
        if "optout" in tokens or "object" in tokens or "disable" in tokens:
            return "opt-out"
        if tokens & frozenset(("setting", "settings", "toggle")):
            return "setting"
        del at
        return None

    def _strength(self, hit: Hit, whose: str, implied: bool, actor: str) -> int:
        strength = hit.strength
        public = bool(frozenset(self.tokens) & frozenset(("publicly", "public")))
        strength += 8 if whose == READER and not public else 0
        strength += 4 if self.explicit or actor == THIRD else 0
        strength += 3 if self.modal == "may" or self.modal == "will" else 0
        strength -= 8 if implied or hit.announced else 0
        strength -= 10 if self.kind == "heading" else 0
        strength -= 6 if len(self.tokens) < 2 * _CONTENT_WORDS else 0
        return strength

    def _other(self, index: int, token: str) -> None:
        before = self._at(index - 1)
        passive = before in ("be", "is", "are", "been", "being")
        if not (
            passive
            or before
            in (
                "we",
                "us",
                "may",
                "will",
                "can",
                "also",
                "to",
                "and",
                "or",
                ",",
                "not",
                "never",
                "that",
                "they",
                "longer",
                "",
            )
            or before.endswith("ly")
            or before in self.names
            or before in ("partners", "affiliates", "parties")
        ):
            return
        actor = self.aside or self.actor
        if actor is None and self.kind == "item" and "we" in self.context:
            actor = SERVICE
        if actor is None and passive and self._owned_before(index):
            actor = SERVICE
        if (
            actor is None
            or (self.opt and actor in (READER, SERVICE))
            or (actor == THIRD and "only" in self.tokens)
        ):
            return
        span = self.tokens[index + 1 : index + 22]
        owned = self._owned_before(index) if passive else self._owned(span)
        if not owned:
            return
        action = w.ACTIONS[token]
        if action == "license" and "grant" not in self.tokens:
            return
        mode = (
            ("may-not" if self.negated else "may")
            if actor == READER
            else ("will-not" if self.negated else "may" if self.modal == "may" else "will")
        )
        around = self.tokens[max(0, index - 8) : index + 30]
        self.found.append(
            Practice(
                actor=actor,
                action=action,
                mode=mode,
                whose=READER,
                categories=tuple(sorted({w.CATEGORIES[one] for one in around if one in w.CATEGORIES})),
                purposes=tuple(sorted({w.PURPOSES[one] for one in around if one in w.PURPOSES})),
                recipient=_recipient(span) if action in ("share", "sell", "license") else None,
                condition=self._condition(index),
                rule=f"{action}-by-{actor.replace('_', '-')}",
                strength=4 if self.explicit else 0,
            )
        )

    def _owned(self, span: tuple[str, ...]) -> bool:
        for index, token in enumerate(span):
            if token in ("we", ";"):
                return False
            if token in w.OWNED and any(one in w.DATA for one in span[index + 1 : index + 6]):
                return True
            if (
                token in ("information", "data")
                and span[index + 1 : index + 3]
                and span[index + 1] in ("about", "you", "we", "that", "from")
            ):
                return True
        return False

    def _owned_before(self, index: int) -> bool:
        span = self.tokens[max(0, index - 9) : index]
        return any(token in w.OWNED for token in span) and any(token in w.DATA for token in span)


def _recipient(span: tuple[str, ...]) -> str | None:
    for index, token in enumerate(span):
        if token in ("with", "to", "by"):
            ahead = frozenset(span[index + 1 : index + 10])
            if ahead & frozenset(("affiliates", "affiliate", "subsidiaries", "parent", "group")):
                return AFFILIATE
            if ahead & frozenset(("advertisers", "advertising", "ad")):
                return "third_party:advertising"
            if ahead & frozenset(("law", "government", "authorities", "courts", "regulators")):
                return "third_party:authorities"
            if ahead & w.THIRD_NOUNS or "third" in ahead or "third-party" in ahead:
                return THIRD
    return None
