"""Whether the marks of members who left are found in the model that was made without them, as a certificate says it.

A mark is one of many texts, drawn after they were fixed (see ``troth.core.canary``), so its p-value is uniform for
any model that never saw it. This stands beside bit-equality, never in its place: it shows nothing that the digests
do not say more strongly, but it asks the model itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from troth.core.significance import fisher

if TYPE_CHECKING:
    from troth.core.findings import Findings
    from troth.core.shape import Shape
    from troth.core.written import Json

_NEAR: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Uniformity:
    """The p-values of the sets that were tested, sorted so that none says whose it is, and what they say together.

    Numbers are text, as digests know no floating point: ``class_p`` is Fisher's combination of ``p_values``.
    """

    p_values: tuple[str, ...]
    class_p: str
    level: str

    @classmethod
    def of(cls, p_values: Sequence[float], level: float) -> Uniformity:
        """What a certificate says of some tests, of which there is one or more."""
        written = tuple(sorted(f"{one:.6f}" for one in p_values))
        return cls(written, f"{fisher([float(one) for one in written]):.6g}", f"{level:g}")

    @property
    def is_uniform(self) -> bool:
        """Whether the tests together find nothing at the level."""
        return float(self.class_p) > float(self.level)

    def as_json(self) -> dict[str, Json]:
        """For the certificate."""
        return {
            "tests": len(self.p_values),
            "p_values": list(self.p_values),
            "class_p_value": self.class_p,
            "level": self.level,
            "uniform": self.is_uniform,
        }

    @classmethod
    def read(cls, shape: Shape) -> Uniformity:
        """Read what ``as_json`` wrote.

        Raises:
            BadInput: it is of another form.
        """
        numbers = [_number(one) for one in shape.need("p_values").items()]
        if not numbers:
            shape.refuse("expected one p-value or more")
        return cls(tuple(numbers), _number(shape.need("class_p_value")), _number(shape.need("level")))

    def check(self, findings: Findings) -> None:
        """See that the numbers go together, and say what they say."""
        values = [float(one) for one in self.p_values]
        if sorted(values) != values or not all(0 < one <= 1 for one in values):
            findings.error("the p-values are not sorted, or not between 0 and 1", "uniformity")
        elif abs(fisher(values) - float(self.class_p)) > _NEAR * float(self.class_p):
            findings.error("the class's p-value is not what its p-values give", "uniformity")
        elif not self.is_uniform:
            findings.warning(
                f"the marks of {len(values)} who left are found in the model more than chance would have it"
                f" (p = {self.class_p}): somebody may have quoted them; in {float(self.level):.0%} of cases it is"
                " chance",
                "uniformity",
            )
        else:
            findings.info(
                f"the marks of {len(values)} who left are found no more than chance has it (p = {self.class_p})",
                "uniformity",
            )


def _number(shape: Shape) -> str:
    text = shape.as_text()
    try:
        fits = 0 <= float(text) <= 1
    except ValueError:
        fits = False
    if not fits:
        shape.refuse("expected a number from 0 to 1, as text")
    return text
