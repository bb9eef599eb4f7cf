"""One-token mutations of the reference decision: is each of them noticed?

``python -m tests.acceptance.mutations [--by-case-files]`` changes one operator, constant, name of a reason or
element of a set at a time in ``core/decide.py`` and ``core/standing.py``, loads the changed module under
fresh names, and runs it against the case files and random cases with the oracle's answers, up to the first
difference. Survivors are printed, with those that change nothing (``EQUIVALENT``, each with its argument)
apart. Exit status 1 if there are others.

A mutant is called ``module.function: before -> after``, with ``[n]`` where a function has several alike.
"""

from __future__ import annotations

import ast
import copy
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import troth.core.decide
import troth.core.standing
from tests.acceptance.equivalent import EQUIVALENT
from tests.oracle.oracle import evaluate
from tests.properties.worlds import raw_case, read_raw
from tests.support import ROOT
from tests.unit.core.citations import AGES, CITED, ROLES, ages, citations, roles
from troth.core.cases import Case, Expectation, read_case, run_case
from troth.core.reasons import Reason
from troth.intake.yaml_files import read_yaml

MODULES = ("standing", "decide")
RANDOM_CASES = 900
CASE_FILES = ROOT / "tests" / "cases"

_COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_NAMED = {"any": "all", "all": "any", "max": "min", "min": "max"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change; ``source`` is the whole changed module."""

    module: str
    name: str
    source: str


# making mutants


def alternatives(node: ast.AST) -> Iterator[ast.AST]:  # noqa: C901, PLR0912 - a table of kinds
    """What may stand in a node's place, one token away."""
    match node:
        case ast.Compare():
            for place, operator in enumerate(node.ops):
                for other in _COMPARED[type(operator)]:
                    changed = copy.deepcopy(node)
                    changed.ops[place] = other()
                    yield changed
        case ast.BoolOp():
            yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
            for place in range(len(node.values)):
                rest = node.values[:place] + node.values[place + 1 :]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
        case ast.UnaryOp(op=ast.Not()) | ast.UnaryOp(op=ast.USub()):
            yield node.operand
        case ast.Constant(value=bool() as flag):
            yield ast.Constant(not flag)
        case ast.Constant(value=int() as number):
            yield ast.Constant(number + 1)
        case ast.Constant(value=str() as text):
            yield ast.Constant(text + "?")
        case ast.Attribute(value=ast.Name(id="R")) if node.attr in Reason.__members__:
            others = list(Reason)
            yield ast.Attribute(node.value, others[(Reason[node.attr] + 1) % len(others)].name, node.ctx)
        case ast.Name(id=name) if name in _NAMED:
            yield ast.Name(_NAMED[name], node.ctx)
        case ast.Tuple(ctx=ast.Store()):
            pass
        case ast.Set() | ast.Tuple() | ast.List() if len(node.elts) > 1:
            for place in range(len(node.elts)):
                fewer = copy.deepcopy(node)
                del fewer.elts[place]
                yield fewer
        case ast.BinOp():
            yield from (node.left, node.right)
        case ast.IfExp():
            yield from (node.body, node.orelse)
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> Any:
        return self.new if node is self.old else self.generic_visit(node)


def sites(tree: ast.AST, inside: str) -> Iterator[tuple[str, ast.AST]]:
    """The nodes that mean something, with the function they stand in; not types, texts, imports or decorators."""
    for _, field in ast.iter_fields(tree):
        for child in field if isinstance(field, list) else [field]:
            if not isinstance(child, ast.AST) or _is_silent(tree, child):
                continue
            name = inside
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                name = f"{inside}.{child.name}"
            yield name, child
            yield from sites(child, name)


def _is_silent(parent: ast.AST, child: ast.AST) -> bool:
    if isinstance(child, ast.Import | ast.ImportFrom | ast.expr_context | ast.arguments):
        return True
    if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
        return True
    if isinstance(parent, ast.FunctionDef | ast.ClassDef) and (
        child in parent.decorator_list or child is getattr(parent, "returns", None)
    ):
        return True
    if isinstance(child, ast.FunctionDef) and child.name == "_remembered":
        return True  # remembering an answer changes no answer
    if isinstance(child, ast.Raise):
        return True  # the text of an error that cannot happen
    if isinstance(parent, ast.AnnAssign):
        return child is parent.annotation or _said(parent.annotation) == "TypeAlias"
    return (
        isinstance(child, ast.Assign)
        and isinstance(child.targets[0], ast.Name)
        and child.targets[0].id in "PR"
    )


@cache
def source_of(module: str) -> str:
    """The source of a module of the core."""
    path = {"standing": troth.core.standing, "decide": troth.core.decide}[module].__file__
    assert path is not None
    return Path(path).read_text()


def mutants() -> list[Mutant]:
    """All of them, in the order of the source."""
    found = []
    for module in MODULES:
        tree = ast.parse(source_of(module))
        seen: Counter[str] = Counter()
        for where, node in sites(tree, module):
            for other in alternatives(node):
                name = f"{where}: {_said(node)} -> {_said(other)}"
                seen[name] += 1
                if seen[name] > 1:
                    name += f" [{seen[name]}]"
                # The tree is changed in place and back, since nodes are found by identity.
                changed = _Replace(node, other).visit(tree)
                found.append(Mutant(module, name, ast.unparse(ast.fix_missing_locations(changed))))
                tree = _Replace(other, node).visit(changed)
    return found


def _said(node: ast.AST) -> str:
    return " ".join(ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).split())


# running mutants


@dataclass(frozen=True, slots=True)
class Asked:
    """One question with the oracle's answer."""

    case: Case
    expectation: Expectation
    answer: dict[str, Any]


@cache
def corpus() -> tuple[list[Case], list[Asked]]:
    """The case files, and every question of theirs and of the random cases with the oracle's answer."""
    files = sorted(CASE_FILES.glob("*.yaml"))
    shapes = [shape for path in files for shape in read_yaml(path) if shape.value is not None]
    cases = [read_case(shape) for shape in shapes]
    pairs = [(case, shape.value) for case, shape in zip(cases, shapes, strict=True)]
    for number in range(RANDOM_CASES):
        raw = raw_case(f"m{number}")
        pairs.append((read_raw(raw), raw))
    asked = [
        Asked(case, expectation, answer)
        for case, raw in pairs
        for expectation, answer in zip(case.expectations, evaluate(raw), strict=True)
    ]
    return cases, asked


def load(mutant: Mutant | None) -> tuple[ModuleType, ModuleType]:
    """``standing`` and ``decide``, one of them changed, as modules of their own."""
    made = {}
    with mock.patch.dict(sys.modules):
        for name in MODULES:
            module = ModuleType(f"troth.core.{name}")
            sys.modules[module.__name__] = module
            source = mutant.source if mutant is not None and mutant.module == name else source_of(name)
            exec(compile(source, f"<{name}>", "exec"), module.__dict__)  # noqa: S102 - our own code, changed
            made[name] = module
    return made["standing"], made["decide"]


def caught_by(mutant: Mutant | None, *, by_case_files: bool) -> str | None:
    """What notices a mutant first; None if nothing does."""
    cases, asked = corpus()
    try:
        standing, decide = load(mutant)
        if by_case_files:
            return next((case.title for case in cases if _case_notices(case, standing, decide)), None)
        known: dict[tuple[int, int | None], Any] = {}
        for one in asked:
            key = (id(one.case), one.expectation.as_of)
            if key not in known:
                known[key] = standing.Known(enumerate(one.case.events[: one.expectation.as_of]))
            if _answer(decide, one, known[key]) != one.answer:
                return one.case.title
        beside = (
            citations(decide.decide, standing.Known) == CITED,
            roles(decide.decide, standing.Known) == ROLES,
            ages(decide.comes_of_age) == AGES,
        )
        if not all(beside):
            return "what is said beside the reasons"
    except Exception as error:  # noqa: BLE001 - whatever a mutant raises gives it away
        return f"raises {type(error).__name__}"
    return None


def _case_notices(case: Case, standing: ModuleType, decide: ModuleType) -> bool:
    with (
        mock.patch("troth.core.cases.Known", standing.Known),
        mock.patch("troth.core.cases.decide", decide.decide),
    ):
        return bool(run_case(case))


def _answer(decide: ModuleType, one: Asked, known: object) -> dict[str, Any]:
    wanted = one.expectation
    decision = decide.decide(wanted.record, wanted.use, wanted.at, known)
    return {
        "record": decision.record,
        "verdict": decision.verdict,
        "reason": None if decision.reason is None else decision.reason.text,
        "party": decision.party,
        "reasons": {party.subject: [reason.text for reason in party.reasons] for party in decision.parties},
    }


def survivors(*, by_case_files: bool = False, workers: int = 2) -> tuple[list[Mutant], list[Mutant]]:
    """All mutants, and those that nothing notices."""
    assert caught_by(None, by_case_files=by_case_files) is None, "the unchanged code must pass"
    every = mutants()
    with ProcessPoolExecutor(workers) as pool:
        caught = pool.map(_caught, every, [by_case_files] * len(every), chunksize=8)
        return every, [one for one, by in zip(every, caught, strict=True) if by is None]


def _caught(mutant: Mutant, by_case_files: bool) -> str | None:
    return caught_by(mutant, by_case_files=by_case_files)


def main() -> int:
    """Print what survives."""
    by_case_files = "--by-case-files" in sys.argv
    started = time.monotonic()
    every, left = survivors(by_case_files=by_case_files)
    alive = [one for one in left if one.name not in EQUIVALENT]
    say = sys.stdout.write
    for one in alive:
        say(f"survives: {one.name}\n")
    for one in left:
        if one.name in EQUIVALENT:
            say(f"equivalent: {one.name}\n  {EQUIVALENT[one.name]}\n")
    stale = set(EQUIVALENT) - {one.name for one in left}
    for name in sorted(stale):
        say(f"said to be equivalent, but noticed or gone: {name}\n")
    against = "the case files alone" if by_case_files else "case files, random cases and what is said beside"
    real = len(every) - (len(left) - len(alive))
    say(
        f"{len(every)} mutants against {against}: {len(every) - len(left)} noticed,"
        f" {len(left) - len(alive)} equivalent, {len(alive)} survive"
        f" ({100 * len(alive) / real:.1f} % of {real}); {time.monotonic() - started:.0f} s\n"
    )
    return 1 if alive or (stale and not by_case_files) else 0


if __name__ == "__main__":
    sys.exit(main())
