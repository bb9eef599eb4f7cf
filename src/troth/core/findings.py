"""What a check found: facts with a level, never an exception."""

from __future__ import annotations

from dataclasses import dataclass, field

from troth.core.written import Json


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact: ``error`` (it does not hold), ``warning`` (look at it) or ``info``; ``where`` names the part."""

    level: str
    what: str
    where: str | None = None

    def as_json(self) -> dict[str, Json]:
        """Plain JSON values."""
        return {"level": self.level, "what": self.what, "where": self.where}


@dataclass(slots=True)
class Findings:
    """All that a check of one thing found; ``kind`` says what it was taken for."""

    kind: str
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(finding.level != "error" for finding in self.findings)

    def error(self, what: str, where: str | None = None) -> None:
        """Something does not hold."""
        self.findings.append(Finding("error", what, where))

    def warning(self, what: str, where: str | None = None) -> None:
        """Something to look at."""
        self.findings.append(Finding("warning", what, where))

    def info(self, what: str, where: str | None = None) -> None:
        """Something that holds."""
        self.findings.append(Finding("info", what, where))

    def as_json(self) -> dict[str, Json]:
        """The JSON of ``troth verify``."""
        return {
            "ok": self.ok,
            "kind": self.kind,
            "findings": [finding.as_json() for finding in self.findings],
        }
