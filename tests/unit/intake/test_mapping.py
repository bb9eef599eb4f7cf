from pathlib import Path

import pytest

from troth.core.errors import BadInput
from troth.intake.mapping import read_mapping, standard_mapping

FULL = """\
columns: {id: path, created_at: date, author: from, addressees: [to, cc], title: subject, body: body, topics: tags}
constants: {category: private_message.inmail}
formats: {created_at: "%d/%m/%Y %H:%M"}
identity: [from, to, date]
addresses: true
split: {addressees: ";"}
reject_when_missing: [author]
delimiter: "\\t"
encoding: cp1252
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mapping.yaml"


def test_a_full_mapping(file: Path) -> None:
    file.write_text(FULL)
    mapping = read_mapping(file, limit=77)
    assert mapping.columns["addressees"] == ("to", "cc")
    assert mapping.constants == {"category": ("private_message.inmail",)}
    assert mapping.formats == {"created_at": "%d/%m/%Y %H:%M"}
    assert mapping.identity == ("from", "to", "date")
    assert mapping.addresses
    assert mapping.split == {"addressees": ";"}
    assert mapping.required == ("author",)
    assert (mapping.style.delimiter, mapping.style.encoding, mapping.style.limit) == ("\t", "cp1252", 77)
    assert mapping.wanted == ("path", "date", "from", "to", "cc", "tags", "subject", "body")
    assert mapping.places["cc"].line == 1
    assert mapping.given


def test_without_a_file_the_names_are_the_standard_ones() -> None:
    mapping = standard_mapping()
    assert mapping.columns["created_at"] == ("created_at",)
    assert not mapping.given


LEAST = "columns: {id: a}\nconstants: {category: post}\n"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", None, "expected one document"),
        (LEAST + "---\n" + LEAST, None, "expected one document"),
        ("- a\n", 1, "expected a mapping"),
        ("constants: {category: post}\n", 1, "'columns' is missing"),
        ("columns: {id: a}\n", 1, "says nothing of the category"),
        ("columns: {title: a}\nconstants: {category: post}\n", 1, "which column is the id"),
        ("columns:\n  id: a\n  athor: b\nconstants: {category: post}\n", 3, "unknown key"),
        ("columns:\n  id: [a, b]\nconstants: {category: post}\n", 2, "expected one column"),
        ("columns:\n  id:\n    a: b\nconstants: {category: post}\n", 2, "expected text, got a mapping"),
        (LEAST + "colums: {}\n", 3, "did you mean 'columns'"),
        (LEAST + "formats: {title: '%Y'}\n", 3, "unknown key"),
        (LEAST + "formats: {created_at: yyyy-mm-dd}\n", 3, "expected a date format"),
        (LEAST + "formats: {created_at: '%Q'}\n", 3, "is no date format"),
        (LEAST + "formats: {created_at: epoch}\n", 3, "epoch:s"),
        (LEAST + "addresses: yes\n", 3, "expected true or false"),
        (LEAST + "split: {title: ';'}\n", 3, "unknown key"),
        (LEAST + "reject_when_missing: [sender]\n", 3, "expected one of id, category"),
        (LEAST + "delimiter: ';;'\n", 3, "one character"),
        (LEAST + "encoding: utf-16\n", 3, "contains ASCII"),
        (LEAST + "encoding: klingon\n", 3, "contains ASCII"),
        ("columns: {id: a}\nconstants: {category: any}\n", 2, "any is only for clauses"),
        ("columns: {id: a}\nconstants: {category: two words}\n", 2, "expected a category"),
        (
            "columns: {id: a, author: b}\nconstants:\n  category: post\n  author: c\n",
            4,
            "a constant and a column",
        ),
        ("columns: {id: a}\nconstants: {category: post, topics: [a b]}\n", 2, "expected a category"),
    ],
)
def test_mistakes_are_named_with_their_line(file: Path, text: str, line: int | None, message: str) -> None:
    file.write_text(text)
    with pytest.raises(BadInput) as caught:
        read_mapping(file)
    assert message in str(caught.value)
    assert caught.value.place is not None
    assert (caught.value.place.source, caught.value.place.line) == (str(file), line)


@pytest.mark.parametrize("how", ["epoch:s", "epoch:ms", "epoch:us", "%d.%m.%Y", "%Y-%m-%dT%H:%M:%S%z"])
def test_formats(file: Path, how: str) -> None:
    file.write_text(LEAST + f"formats: {{created_at: '{how}'}}\n")
    assert read_mapping(file).formats == {"created_at": how}
