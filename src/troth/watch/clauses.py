"""The walk over a sentence: who acts, whether it is denied, and whether a choice is offered, word by word.

A pronoun or a noun before a verb begins a clause; ``not`` and its kin deny until the next clause; ``if you …`` stands
aside until the comma. What stands in the line above a list item, and in the heading, is where an item begins.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from troth.watch import words as w
from troth.watch.meaning import AFFILIATE, READER, SERVICE, THIRD, Tokens, says_forbidden

_DATA: Final = "data"
_SOON: Final = 3


@dataclass(slots=True)
class Clauses:
    """Where the walk stands: ``actor`` of the clause, ``aside`` of a subordinate one, and what holds for it."""

    tokens: Tokens
    names: frozenset[str]
    actor: str | None = None
    aside: str | None = None
    negated: bool = False
    stopping: bool = False
    """The denial is one of others: "we prohibit", "we do not allow"."""
    modal: str | None = None
    opt: bool = False
    """A choice is offered: what follows is what happens without it."""
    explicit: bool = False
    context: frozenset[str] = field(default_factory=frozenset)
    stem: Tokens = ()

    def begin(self, stem: Tokens, stem_names: frozenset[str], heading: Tokens) -> None:
        """Start from the line that an item continues, and the heading above."""
        head = frozenset(heading)
        if head & w.HEAD_FORBIDS and not head & frozenset(("we", "our")):
            self.actor, self.negated = READER, True
        elif "we" in head:
            self.actor = SERVICE
        if stem:
            tokens, named = self.tokens, self.names
            self.tokens, self.names = stem, stem_names
            for index, word in enumerate(stem):
                self.step(index, word)
            self.tokens, self.names = tokens, named
            self.aside, self.opt = None, False
            if says_forbidden(stem) and self.actor != SERVICE:
                self.actor, self.negated = READER, True
        self.stem = stem
        self.context = frozenset(stem) | head

    def step(self, index: int, word: str) -> None:
        """Take one word."""
        if index == 0 and self.actor is None and word == "do" and self.at(1) == "not":
            # An order: "do not use …".
            self._begin_clause(READER)
        if word in (",", ")"):
            self.aside = None
        elif word in w.BUT or (word in w.ASIDE and self.negated):
            self.negated = self.stopping = False
        else:
            self._subject(index, word)
            self._mode(index, word)

    def at(self, index: int) -> str:
        """The word at an index, or nothing."""
        return self.tokens[index] if 0 <= index < len(self.tokens) else ""

    @property
    def acting(self) -> str | None:
        """Who acts here."""
        return self.aside or self.actor

    # --- who acts

    def _begin_clause(self, actor: str | None) -> None:
        self.actor, self.aside = actor, None
        self.negated = self.stopping = self.opt = False
        self.modal = None
        self.explicit = actor is not None

    def _subject(self, index: int, word: str) -> None:
        before, after = self.at(index - 1), self.at(index + 1)
        if word in w.ASKING and after in ("us", "that"):
            # "you can ask us to stop …": a right, not what we do.
            self.opt = True
        elif word == "we":
            self._we(before)
        elif word in ("us", "parties", "partners", "providers", "affiliates") and self._agent(
            index, word, after
        ):
            return
        elif word == "us":
            using = before in ("to", "of") and after in ("using", "training")
            if before in w.LET or (before == "for" and after == "to") or using:
                self._let(SERVICE)
        elif word == "you":
            self._you(index, before, after)
        elif not self._granted(index, word, before, after) and not self._acting_noun(word, before, after):
            self._noun(index, word, before, after)

    def _agent(self, index: int, word: str, after: str) -> bool:
        """ "may be used by third parties to …": who does what is said in the passive."""
        if "by" not in self.tokens[max(0, index - 3) : index] or after not in ("to", "for"):
            return False
        kept = self.negated, self.stopping
        self._begin_clause({"us": SERVICE, "affiliates": AFFILIATE}.get(word, THIRD))
        self.negated, self.stopping = kept
        return True

    def _we(self, before: str) -> None:
        if before in w.DATA and self.actor is not None and not self.negated:
            # "content that we receive": no clause of its own.
            return
        # "nor do we", "under no circumstances will we": the denial stands before its subject.
        inverted = self.negated and (before in w.INVERTED or before == "not")
        self._begin_clause(SERVICE)
        self.negated = inverted

    def _let(self, actor: str) -> None:
        """ "allow us to …": whom it lets act, unless it is denied (then nobody does)."""
        if self.negated:
            return
        consent = self.actor == READER
        self._begin_clause(actor)
        self.modal = "may" if consent else None

    def _you(self, index: int, before: str, after: str) -> None:
        if before in w.RELATIVE or before in w.DATA:
            return
        if before in ("that", "which") and (self.at(index - 2) in w.DATA or after in w.SUPPLY):
            return
        if self.actor == SERVICE and self.explicit and before.isalpha() and self._relative(before, after):
            return
        if self.actor is None and 0 < index <= _SOON and after in w.SUPPLY and self._relative(before, after):
            # "statements you connect are …".
            return
        if before in w.LET and self.negated and frozenset(self.tokens[index + 1 : index + 4]) & w.RIGHT:
            # "we do not grant you any right to …".
            self._begin_clause(READER)
            self.negated = True
        elif before in w.LET or (before == "for" and after == "to"):
            # "let you train"; but "give you the service".
            if not self.negated and (after == "to" or after not in w.OBJECT_AFTER | w.DETERMINERS):
                self._begin_clause(READER)
        elif before in w.SUBORDINATE:
            # "we may close your account if you train …", but "we use it when you write".
            if before in ("if", "unless") or self.actor != SERVICE or not self.explicit:
                self.aside = READER
        elif not self._spoken_to(before, after):
            self._begin_clause(READER)

    @staticmethod
    def _relative(before: str, after: str) -> bool:
        """ "we resolve issues you encounter": the noun is what the clause is about."""
        begins = (
            before in w.SUBORDINATE | w.BUT | w.LET | w.OBJECT_BEFORE | w.CLAUSE_STARTS
            or before.endswith("ly")
        )
        return not begins and after not in w.AFTER_ACTOR

    def _spoken_to(self, before: str, after: str) -> bool:
        if before in w.OBJECT_BEFORE or after in w.OBJECT_AFTER:
            return True
        return after in w.SUPPLY and self.actor == SERVICE and before not in (",", ";", "and", ".")

    def _granted(self, index: int, word: str, before: str, after: str) -> bool:
        """ "you grant Acme …", "you consent to our …": the reader lets the service act."""
        if word in ("our", "the") and before == "to" and self.at(index - 2) in w.CONSENT_TO:
            if word == "our" or after in ("use", "processing", "collection", "sharing"):
                self._let(SERVICE)
                return True
            return False
        if self.actor != READER or self.negated or self.aside:
            return False
        if word in w.GRANT:
            self._let(SERVICE)
            return True
        if word in w.LETTING and after not in w.NO_NAMES and "to" in self.tokens[index + 2 : index + 8]:
            self._let(SERVICE)
            return True
        return False

    def _acting_noun(self, word: str, before: str, after: str) -> bool:
        """ "our use of …", "your use of …"."""
        if word in ("our", "its") and after in w.ACTING_NOUNS:
            if not (self.negated or self.opt or self.aside):
                self._begin_clause(SERVICE)
            return True
        if word == "your" and after == "use":
            if before not in w.YOUR_USE_OF and not (self.opt or self.aside):
                self._begin_clause(READER)
            return True
        return False

    def _noun(self, index: int, word: str, before: str, after: str) -> None:
        """A noun before a verb."""
        known = word in w.ANYBODY or word in w.DATA or word in w.READER_NOUNS or word in w.THIRD_NOUNS
        if not (known or before in w.DETERMINERS or index == 0 or word in self.names):
            return
        if not (
            after in w.AFTER_ACTOR
            or (after in ("of", "with", ",", "in", "for", "or") and self._acts_soon(index))
        ):
            return
        kind = self._kind(index, word, before, after)
        if kind is None or (self.aside and before in w.SUBORDINATE):
            return
        if after in ("who", "that") and kind in (READER, THIRD):
            # "partners who use it": what was denied stays so.
            kept = self.negated, self.stopping
            self._begin_clause(kind)
            self.negated, self.stopping = kept
            return
        nobody = self._nobody(index, word, before)
        self._begin_clause(None if kind == _DATA else kind)
        self.negated = nobody

    def _nobody(self, index: int, word: str, before: str) -> bool:
        """ "no user", "none of your files", "neither we nor our partners"."""
        if before == "no" or word == "nobody":
            return True
        if before in ("third", "service") and self.at(index - 2) == "no":
            return True
        lately = self.tokens[max(0, index - 5) : index]
        return self.negated and any(one in ("nor", "neither", "none", "no") or one in w.LET for one in lately)

    def _acts_soon(self, index: int) -> bool:
        span = self.tokens[index + 1 : index + 7]
        acts = any(one in w.MAY or one in ("will", "shall") for one in span)
        return acts and "we" not in span and "you" not in span

    def _kind(self, index: int, word: str, before: str, after: str) -> str | None:
        """Who a noun is: ``data`` for data of which something is said ("your posts may be used")."""
        if word in w.AFFILIATE_NOUNS and before in ("our", "its", "their", "and", "corporate", "or"):
            return AFFILIATE if self.actor != SERVICE or before == "our" else SERVICE
        if word in w.THIRD_NOUNS and before in ("to", "with") and self.actor == SERVICE and not self.negated:
            return THIRD
        if word in w.THIRD_NOUNS and (before in w.THIRD_BEFORE or after in ("may", "who")):
            return self._third(word, before)
        if word in w.ANYBODY or word in w.READER_NOUNS:
            return READER
        if word in w.SERVICE_NOUNS and before in ("the", "this", "our", ""):
            return SERVICE
        if word in w.DATA and after in w.MODAL | w.WILL:
            # "you agree that your songs may …", "your songs may be …".
            agreed = before == "your" and self.actor == READER and not self.negated
            return _DATA if agreed or frozenset(self.tokens[index + 1 : index + 6]) & w.PASSIVE else None
        if word in self.names and word not in w.NOT_NAMES and not word.isdigit():
            return SERVICE
        return None

    @staticmethod
    def _third(word: str, before: str) -> str:
        if word not in w.PARTNER_NOUNS or before in w.THIRD_ONLY_BEFORE:
            return THIRD
        return READER if word in w.READER_NOUNS else SERVICE if word in w.SERVICE_NOUNS else THIRD

    # --- whether it is denied

    def _mode(self, index: int, word: str) -> None:
        before, after = self.at(index - 1), self.at(index + 1)
        if self._chooses(index, word, before, after):
            return
        self._modal(word, before, after)
        if word in w.NOT and not self._no_denial(index, word, after):
            self.negated = True
            if word == "no" and after in ("license", "licence", "right", "rights", "permission"):
                self.stopping = True
        elif word in w.STOPPING:
            self._stops(index, word, before, after)
        elif word in ("allow", "permit", "authorize", "authorise") and self.negated and self.actor == SERVICE:
            self.stopping = True

    def _modal(self, word: str, before: str, after: str) -> None:
        if word in w.MAY or word in ("will", "shall"):
            if after not in w.NOT and word != "cannot" and before in ("and", "or", ",", "but", "may", "also"):
                self.negated = self.stopping = False
            self.modal = "may" if word in w.MAY else "will"
        elif word in ("do", "does"):
            self.modal = "will"

    def _stops(self, index: int, word: str, before: str, after: str) -> None:
        lately = self.tokens[max(0, index - 6) : index]
        if before in ("not", "never", "nothing") or "nothing" in lately:
            # "does not prevent us from", "nothing here restricts": a denial of a denial.
            self.negated = self.stopping = False
            if after == "us" or (after in ("our", "the") and self.at(index + 2) in ("right", "company")):
                self._begin_clause(SERVICE)
        elif word == "without" and after not in ("using", "being", "training", "ever"):
            return
        elif word not in w.PARTICIPLES or before in w.FORBIDDEN_BEFORE:
            self.negated = self.stopping = True

    def _chooses(self, index: int, word: str, before: str, after: str) -> bool:
        """Whether a choice is offered or was made here."""
        if self.actor == SERVICE and (
            (word == "off" and before in ("switched", "turned"))
            or (word == "optout" and before in ("have", "has", "we", "is", "are"))
        ):
            self.negated = True
            return True
        if (
            word in ("stop", "prevent", "avoid", "exclude")
            and before == "to"
            and self.actor in (None, READER)
        ):
            self.opt = self.opt or bool(frozenset(self.tokens[index + 1 : index + 5]) & {"your", "us", "our"})
            return self.opt
        if self._offers(index, word, before, after):
            self.opt = True
            return True
        return False

    def _offers(self, index: int, word: str, before: str, after: str) -> bool:
        """ "you can opt out of …", "choose whether we …", "turn off …"."""
        if self.negated or not (self.actor in (READER, None) or self.aside == READER or word == "optout"):
            return False
        if word in w.OPT:
            return True
        if word not in w.CHOOSE:
            return False
        if word == "off":
            return before in w.SWITCH or after in ("model", "ai", "training")
        if word == "object":
            return after == "to"
        return word == "whether" or bool(frozenset(self.tokens[index + 1 : index + 8]) & w.CHOSEN)

    def _no_denial(self, index: int, word: str, after: str) -> bool:
        """A "not" that denies nothing of what follows: "if you do not want us to", "will not affect"."""
        if READER in (self.acting, self.actor):
            asked = self.aside == READER or self.at(index - 3) in ("if", "where", "when")
            if (after in w.WANT and asked) or after in ("optout", "disable"):
                self.opt = True
                return True
        return after in (w.NO_DENIAL_AFTER_NO if word == "no" else w.NO_DENIAL_AFTER_NOT)
