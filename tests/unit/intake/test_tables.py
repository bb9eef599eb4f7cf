import gzip
import io
import json
import os
import tracemalloc
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.intake.conftest import Counted, Desk
from troth.core.errors import BadInput
from troth.core.values import parse_instant
from troth.intake.importing import DamagedInput
from troth.intake.tables import import_table

MAPPED = (
    "columns: {id: n, created_at: at, author: who, addressees: [to], title: head, body: text, topics: tags}\n"
)
POST = MAPPED + "constants: {category: post}\n"


def lines(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def parquet(table: pa.Table, **options: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


STANDARD = {
    "id": "m1",
    "category": "private_message.inmail",
    "created_at": "2024-05-02T10:00:00Z",
    "deleted_at": None,
    "author": "ann",
    "addressees": ["bob", "", "carl"],
    "topics": ["compensation"],
    "conversation": "c1",
    "title": "hi",
    "body": "hello",
}
STORED = STANDARD | {"created_at": parse_instant("2024-05-02T10:00:00Z")}


class TestStandardNames:
    def test_json_lines(self, desk: Desk, counts: Counted) -> None:
        assert counts(desk.table("t.jsonl", lines(STANDARD))) == (1, 1, 0, 0)
        [row] = desk.rows()
        row.pop("salt")
        assert row == STORED

    def test_parquet(self, desk: Desk, counts: Counted) -> None:
        table = pa.table({name: [value] for name, value in STORED.items()})
        assert counts(desk.table("t.parquet", parquet(table))) == (1, 1, 0, 0)
        [row] = desk.rows()
        row.pop("salt")
        assert row == STORED

    def test_csv(self, desk: Desk) -> None:
        desk.table("t.csv", "id,category,created_at,author,body\nm1,post,2024-05-02,ann,hello\nm2,post,,,\n")
        first, second = desk.rows()
        assert (first["created_at"], first["author"]) == (parse_instant("2024-05-02"), "ann")
        assert [second[name] for name in ("created_at", "author", "title", "body")] == [None, None, None, ""]

    def test_what_a_store_wrote_can_be_imported_again(self, desk: Desk, counts: Counted) -> None:
        desk.table("t.jsonl", lines(STANDARD, STANDARD | {"id": "m2", "created_at": None, "body": None}))
        [part] = desk.store.paths()
        report = import_table(desk.intake(), [desk.write("again.parquet", part.read_bytes())])
        assert counts(report) == (2, 0, 2, 0)

    def test_integers_are_microseconds_here_and_only_here(self, desk: Desk) -> None:
        desk.table("t.csv", "id,category,created_at\nm1,post,1714644000000000\n")
        desk.table("u.jsonl", lines({"id": "m2", "category": "post", "created_at": 1714644000000000}))
        assert desk.values("created_at") == [1714644000000000] * 2
        report = desk.table("v.jsonl", lines({"n": "m3", "at": 1714644000}), POST)
        assert report.reasons == {
            "created_at: expected a unit for the number (formats: {created_at: epoch:s}, epoch:ms or epoch:us)": 1
        }

    @pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
    def test_a_table_without_ids(self, desk: Desk, name: str) -> None:
        data = (
            b"key,category\na,post\n"
            if name == "t.csv"
            else parquet(pa.table({"key": ["a"], "category": ["post"]}))
        )
        with pytest.raises(BadInput, match="has no column 'id'; it has key, category"):
            desk.table(name, data)
        assert not desk.store.folder.exists()


class TestCsv:
    def test_quotes_newlines_and_a_byte_order_mark(self, desk: Desk, counts: Counted) -> None:
        data = '\ufeffid,category,body\nm1,post,"one\ntwo, ""three"""\r\n\nm2,post,four\n'
        assert counts(desk.table("t.csv", data)) == (2, 2, 0, 0)
        assert desk.values("body") == ['one\ntwo, "three"', "four"]

    def test_another_delimiter_and_charset(self, desk: Desk) -> None:
        how = POST + 'delimiter: ";"\nencoding: cp1252\n'
        data = "n;at;who;to;head;text;tags\nm1;;ann;;;\u00fc,\u20ac;\n".encode("cp1252")
        desk.table("t.csv", data, how)
        assert desk.values("body") == ["\u00fc,\u20ac"]

    def test_lines_that_end_in_cr_alone(self, desk: Desk, counts: Counted) -> None:
        assert counts(desk.table("t.csv", "id,category\rm1,post\rm2,post\r")) == (2, 2, 0, 0)

    def test_gzip(self, desk: Desk, counts: Counted) -> None:
        assert counts(desk.table("t.csv.gz", "id,category\nm1,post\n")) == (1, 1, 0, 0)

    def test_bad_rows_are_rejected_with_their_line(self, desk: Desk, counts: Counted) -> None:
        data = (
            b"id,category,body\n"
            b"m1,post,fine\n"
            b"m2,post\n"
            b"m3,post,secret,more\n"
            b'm4,post,"a\nb"\n'
            b"m5,post,caf\xe9\n"
            b'm6,post,"a"b\n'
            b"m7,post,a\rb\n"
            b",post,no id\n"
            b"m8,,no category\n"
            b"m9,two words,secret\n"
            b"m10,post,fine\n"
        )
        report = desk.table("t.csv", data)
        assert counts(report) == (11, 3, 0, 8)
        assert [(one["line"], one["reason"]) for one in desk.rejects(report)] == [
            (3, "the row has 2 cells, the header 3"),
            (4, "the row has 4 cells, the header 3"),
            (7, "the row is not UTF-8"),
            (8, "the quotes of the row do not fit together"),
            (9, "a carriage return stands in a cell that is not quoted"),
            (10, "id is missing"),
            (11, "category is missing"),
            (12, "category: expected one such as private_message or post"),
        ]
        assert report.rejects_file is not None
        assert "secret" not in report.rejects_file.read_text()

    def test_a_quote_that_is_never_closed(self, desk: Desk) -> None:
        report = desk.table("t.csv", 'id,category\nm1,post\nm2,"post\nm3,post\n')
        assert (report.imported, report.rejected) == (1, 1)
        assert report.reasons == {"a quoted cell is not closed before the end of the file": 1}

    @pytest.mark.parametrize("data", ["", "\n", "\n\n"])
    def test_no_header(self, desk: Desk, data: str) -> None:
        with pytest.raises(BadInput, match="has no header line"):
            desk.table("t.csv", data)

    def test_two_columns_of_one_name(self, desk: Desk) -> None:
        with pytest.raises(BadInput, match="two columns are called 'id'"):
            desk.table("t.csv", "id,category,id\n")

    def test_utf_16_is_said_to_be_so(self, desk: Desk) -> None:
        with pytest.raises(BadInput, match="is UTF-16"):
            desk.table("t.csv", "id,category\n".encode("utf-16"))

    def test_a_list_in_one_cell(self, desk: Desk) -> None:
        how = POST + 'split: {addressees: ";", topics: "|"}\n'
        desk.table("t.csv", "n,at,who,to,head,text,tags\nm1,,ann,bob; carl;,,,a|b|a\n", how)
        [row] = desk.rows()
        assert (row["addressees"], row["topics"]) == (["bob", "carl"], ["a", "b"])


class TestJsonLines:
    def test_bad_lines_are_rejected_with_their_line(self, desk: Desk, counts: Counted) -> None:
        good = lines(STANDARD).encode()
        data = (
            b"\xef\xbb\xbf" + good + b"{broken\n" + b"\n" + b"[1]\n" + b'"text"\n' + b"\xff\n" + b"[" * 100_000 + b"\n"
            + b'{"id": ' + b"9" * 5_000 + b"}\n" + lines(STANDARD | {"id": True}).encode()
            + lines(STANDARD | {"id": "m2", "author": {"name": "secret"}}).encode()
            + lines(STANDARD | {"id": "m3", "body": ["secret"]}).encode()
            + lines(STANDARD | {"id": "m4", "created_at": "secret"}).encode()
            + lines(STANDARD | {"id": "m5", "topics": "two words"}).encode()
            + lines(STANDARD | {"id": "x" * 1000}).encode()
            + lines(STANDARD | {"id": "m6", "addressees": ["y" * 1000]}).encode()
            + lines(STANDARD | {"id": "m7"}).encode().rstrip()
        )  # fmt: skip
        report = desk.table("t.jsonl", data)
        assert counts(report) == (15, 2, 0, 13)
        assert [(one["line"], one["reason"]) for one in desk.rejects(report)] == [
            (2, "the line is not JSON"),
            (4, "expected a JSON object on the line"),
            (5, "expected a JSON object on the line"),
            (6, "the line is not UTF-8"),
            (7, "the line is nested too deeply"),
            (8, "the line is not JSON"),
            (9, "id: expected text, got true or false"),
            (10, "author: expected text, got an object (mail addresses need `addresses: true`)"),
            (11, "body: expected text, got a list"),
            (12, "created_at: expected an instant such as 2024-09-18T09:30:00Z"),
            (13, "topics: expected words such as compensation or topic:health"),
            (14, "id is longer than 998 characters"),
            (15, "addressees: one is longer than 998 characters"),
        ]
        assert report.rejects_file is not None
        assert "secret" not in report.rejects_file.read_text()

    def test_lone_surrogates_and_nul_become_signs_that_can_be_kept(self, desk: Desk) -> None:
        desk.table("t.jsonl", '{"id": "m1", "category": "post", "body": "a\\ud800b\\u0000c\\ud83d\\ude00"}\n')
        assert desk.values("body") == ["a\ufffdb\ufffdc\U0001f600"]

    def test_an_array_is_refused_before_anything_is_written(self, desk: Desk) -> None:
        with pytest.raises(BadInput, match="found a JSON array"):
            desk.table("t.json", json.dumps([STANDARD]))
        assert not desk.store.folder.exists()

    def test_a_column_that_no_row_has_is_noted(self, desk: Desk) -> None:
        report = desk.table("t.jsonl", lines({"n": "m1"}, {"n": "m2", "who": "ann"}), POST)
        assert sorted(report.notes) == [
            f"no row has the column {name!r}" for name in ("at", "head", "tags", "text", "to")
        ]

    def test_a_line_of_two_gigabytes_costs_no_memory(self, desk: Desk) -> None:
        """Made of many gzip members of one block, so that the test costs little itself."""
        path = desk.folder / "t.jsonl.gz"
        member = gzip.compress(b"x" * 2**20, compresslevel=1)
        with path.open("wb") as file:
            file.write(gzip.compress(lines(STANDARD).encode() + b'{"id": "'))
            for _ in range(2 * 2**10):
                file.write(member)
            file.write(gzip.compress(b'"}\n' + lines(STANDARD | {"id": "m2"}).encode()))
        tracemalloc.start()
        report = import_table(desk.intake(), [path], limit=2**20)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (report.read, report.imported, report.rejected) == (3, 2, 1)
        assert desk.rejects(report)[0]["line"] == 2
        assert peak < 30_000_000

    def test_a_long_line_of_csv_is_passed_over(self, desk: Desk) -> None:
        path = desk.write("t.csv", "id,category\nm1,post\nm2," + "x" * 5_000 + "\nm3,post\n")
        report = import_table(desk.intake(), [path], limit=1_000)
        assert (report.imported, report.reasons) == (2, {"the line is longer than 1,000 bytes": 1})


class TestParquet:
    def test_types(self, desk: Desk) -> None:
        when = datetime(2024, 5, 2, 10, tzinfo=UTC)
        table = pa.table(
            {
                "n": pa.array([1, 2], pa.int32()),
                "at": pa.array([when, None], pa.timestamp("ns", "Europe/Berlin")),
                "who": pa.array(["ann", None]).dictionary_encode(),
                "to": pa.array([["bob"], []], pa.large_list(pa.large_string())),
                "head": pa.array(["x", ""], pa.large_string()),
                "text": pa.array(["hello", None], pa.string_view()),
                "tags": pa.array([None, ["a"]], pa.list_(pa.string())),
                "gone": pa.array([None, date(2024, 6, 1)], pa.date32()),
                "unread": pa.array([b"\xff", b""]),
            }
        )
        desk.table("t.parquet", parquet(table), POST.replace("tags}", "tags, deleted_at: gone}"))
        first, second = desk.rows()
        assert (first["id"], first["created_at"], first["author"]) == (
            "1",
            parse_instant("2024-05-02T10:00"),
            "ann",
        )
        assert (first["addressees"], first["topics"], first["title"]) == (["bob"], [], "x")
        assert (second["created_at"], second["deleted_at"]) == (None, parse_instant("2024-06-01"))
        assert (second["topics"], second["title"], second["body"]) == (["a"], None, None)

    def test_timestamps_without_zone_are_utc_and_units_do_not_matter(self, desk: Desk) -> None:
        for number, unit in enumerate(("s", "ms", "us", "ns")):
            table = pa.table({"id": [f"m{number}"], "category": ["post"]})
            column = pa.array([datetime(2024, 5, 2, 10)], pa.timestamp(unit))  # noqa: DTZ001
            desk.table("t.parquet", parquet(table.append_column("created_at", column)))
        assert desk.values("created_at") == [parse_instant("2024-05-02T10:00")] * 4

    def test_text_that_is_not_utf_8(self, desk: Desk, counts: Counted) -> None:
        bodies = pa.array([b"fine", b"\xff", b"fine"], pa.binary()).view(pa.string())
        table = pa.table({"id": ["m1", "m2", "m3"], "category": ["post"] * 3, "body": bodies})
        report = desk.table("t.parquet", parquet(table))
        assert counts(report) == (3, 2, 0, 1)
        assert desk.rejects(report) == [
            {"source": str(desk.folder / "t.parquet"), "row": 2, "reason": "the row is not UTF-8"}
        ]

    @pytest.mark.parametrize("keep", [0, 3, 8, 1_000, -1, -8])
    def test_truncated(self, desk: Desk, keep: int) -> None:
        data = parquet(pa.table({"id": [f"m{n}" for n in range(5_000)], "category": ["post"] * 5_000}))
        with pytest.raises(DamagedInput, match=r"the Parquet file is damaged or ends too early") as caught:
            desk.table("t.parquet", data[:keep])
        assert caught.value.report.as_json()["rejected"] == 1
        assert caught.value.report.imported == desk.store.count() == 0

    def test_damage_in_the_middle_keeps_the_groups_before(self, desk: Desk) -> None:
        table = pa.table({"id": [f"m{n}" for n in range(9_000)], "category": ["post"] * 9_000})
        data = bytearray(parquet(table, row_group_size=3_000, write_page_checksum=True, use_dictionary=False))
        start = pq.read_metadata(io.BytesIO(bytes(data))).row_group(1).column(0).data_page_offset
        data[start + 500] ^= 0xFF
        with pytest.raises(DamagedInput) as caught:
            desk.table("t.parquet", bytes(data))
        assert 2_000 < caught.value.report.imported <= 3_000
        assert caught.value.report.read == caught.value.report.imported + 1

    def test_a_missing_column_is_refused_where_it_is_named(self, desk: Desk) -> None:
        with pytest.raises(BadInput) as caught:
            desk.table(
                "t.parquet",
                parquet(pa.table({"n": ["m1"], "when": ["x"]})),
                "columns:\n  id: n\n  created_at: whn\nconstants: {category: post}\n",
            )
        assert str(caught.value.place) == f"{desk.folder / 'mapping.yaml'}:3"
        assert "has no column 'whn'; it has n, when" in str(caught.value)
        assert "did you mean 'when'?" in str(caught.value)


class TestMapped:
    @pytest.mark.parametrize(
        ("how", "value", "instant"),
        [
            ("'%d/%m/%Y %H:%M'", "02/05/2024 10:00", "2024-05-02T10:00"),
            ("'%d/%m/%Y %I:%M:%S %p'", "02/05/2024 01:00:07 PM", "2024-05-02T13:00:07"),
            ("'%Y-%m-%d %H:%M:%S UTC'", " 2024-05-02 10:00:00 UTC", "2024-05-02T10:00"),
            ("'%Y-%m-%dT%H:%M%z'", "2024-05-02T10:00+0200", "2024-05-02T08:00"),
            ("'epoch:s'", 1714644000, "2024-05-02T10:00"),
            pytest.param("'epoch:s'", "1714644000", "2024-05-02T10:00", id="digits"),
            ("'epoch:s'", 1714644000.25, "2024-05-02T10:00:00.25"),
            pytest.param("'epoch:s'", "1714644000.25", "2024-05-02T10:00:00.25", id="digits with a fraction"),
            ("'epoch:ms'", 1714644000001, "2024-05-02T10:00:00.001"),
            ("'epoch:us'", 1714644000000001, "2024-05-02T10:00:00.000001"),
            ("null", "2024-05-02T10:00:00+02:00", "2024-05-02T08:00"),
            ("null", "2024-05-02", "2024-05-02"),
        ],
    )
    def test_instants(self, desk: Desk, how: str, value: object, instant: str) -> None:
        desk.table("t.jsonl", lines({"n": "m1", "at": value}), POST + f"formats: {{created_at: {how}}}\n")
        assert desk.values("created_at") == [parse_instant(instant)]

    @pytest.mark.parametrize(
        ("how", "value"),
        [
            ("null", "02/05/2024"), ("null", 3.5), ("null", True), ("null", "2024-02-30"),
            ("'%d/%m/%Y'", "2024-05-02"), ("'%d/%m/%Y'", 5), ("'epoch:s'", "soon"), ("'epoch:s'", 1e300),
            ("'epoch:s'", True), ("'epoch:s'", "nan"), ("'epoch:s'", "Infinity"),
            pytest.param("null", [], id="list"), pytest.param("'epoch:ms'", 10**400, id="huge"),
        ],
    )  # fmt: skip
    def test_what_is_no_instant_is_rejected(self, desk: Desk, how: str, value: object) -> None:
        report = desk.table(
            "t.jsonl", lines({"n": "m1", "at": value}), POST + f"formats: {{created_at: {how}}}\n"
        )
        assert (report.imported, report.rejected) == (0, 1)
        assert next(iter(report.reasons)).startswith("created_at: expected ")

    @pytest.mark.parametrize(
        "value", ["1656-01-01", "1969-12-31T23:59:59Z", "2026-06-02T00:00:00.000001Z", "9999-12-31"]
    )
    def test_a_date_that_cannot_be_is_unknown(self, desk: Desk, value: str) -> None:
        report = desk.table("t.jsonl", lines({"n": "m1", "at": value}), POST)
        assert desk.values("created_at") == [None]
        assert report.notes["date before 1970 or in the future"] == 1

    def test_a_deletion_is_never_lost(self, desk: Desk, counts: Counted) -> None:
        how = POST.replace("n,", "n, deleted_at: gone,") + "identity: [text]\n"
        desk.table("t.jsonl", lines({"n": "m1", "text": "x"}), how)
        report = desk.table("t.jsonl", lines({"n": "m1", "text": "x", "gone": "2024-01-01"}), how)
        assert counts(report) == (1, 0, 0, 1)
        assert report.reasons == {"another record has this id; they differ in deleted_at": 1}

    def test_identity_of_rows_without_id(self, desk: Desk, counts: Counted) -> None:
        how = "columns: {author: who, body: text}\nconstants: {category: post}\nidentity: [who, to, text]\n"
        rows: list[dict[str, object]] = [
            {"who": "ann", "text": "x"},
            {"who": "ann", "text": "y"},
            {"text": "x", "who": "ann", "folder": "f"},
        ]
        rows += [
            {"who": "ann", "text": "x", "to": [{"b": 1, "a": 2}]},
            {"who": "ann", "text": "x", "to": [{"a": 2, "b": 1}]},
        ]
        assert counts(desk.table("t.jsonl", lines(*rows), how)) == (5, 3, 2, 0)
        assert all(str(one).startswith("sha256:") for one in desk.values("id"))
        assert counts(desk.table("t.jsonl", lines(*rows), how)) == (5, 0, 5, 0)

    def test_identity_steps_in_where_an_id_stands_for_two_records(self, desk: Desk, counts: Counted) -> None:
        how = POST + "identity: [who, text]\n"
        rows = [{"n": "m1", "who": "ann", "text": "x"}, {"n": "m1", "who": "bob", "text": "x"}]
        assert counts(desk.table("t.jsonl", lines(*rows), how)) == (2, 2, 0, 0)
        assert desk.values("author") == ["ann", "bob"]

    def test_an_id_that_stands_for_two_records_is_rejected_otherwise(
        self, desk: Desk, counts: Counted
    ) -> None:
        rows = [{"n": "m1", "who": "ann"}, {"n": "m1", "who": "bob"}, {"n": "m1", "who": "ann"}]
        report = desk.table("t.jsonl", lines(*rows), POST)
        assert counts(report) == (3, 1, 1, 1)
        assert desk.rejects(report)[0]["line"] == 2

    def test_rows_that_lack_what_must_be_there(self, desk: Desk, counts: Counted) -> None:
        how = POST + "reject_when_missing: [author, addressees]\naddresses: true\n"
        rows = [{"n": "m1", "who": "a@x", "to": "b@x"}, {"n": "m2", "to": "b@x"}, {"n": "m3", "who": "a@x"}]
        rows += [{"n": "m4", "who": "a@x", "to": "<>"}]
        report = desk.table("t.jsonl", lines(*rows), how)
        assert counts(report) == (4, 1, 0, 3)
        assert report.reasons == {"author is missing": 1, "addressees is missing": 2}

    def test_constants(self, desk: Desk) -> None:
        how = "columns: {id: n}\nconstants: {category: post.share, author: ann, topics: [a, b], conversation: c}\n"
        desk.table("t.jsonl", lines({"n": "m1"}), how)
        [row] = desk.rows()
        assert (row["category"], row["author"], row["topics"], row["conversation"]) == (
            "post.share",
            "ann",
            ["a", "b"],
            "c",
        )


MAIL = MAPPED + "constants: {category: private_message}\naddresses: true\n"


class TestAddresses:
    @pytest.mark.parametrize(
        ("who", "to", "author", "addressees"),
        [
            ("Ann <Ann@X.org>", "Bob <b@x.org>, c@x.org", "ann@x.org", ["b@x.org", "c@x.org"]),
            ("Crew <Crew>", ["Doe, J <j@x.org>", "<>"], "crew", ["j@x.org", ""]),
            ({"name": "Ann", "addr": "Ann@X.org"}, [{"name": "B", "addr": ""}], "ann@x.org", ["b"]),
            ([{"addr": "a@x"}, {"addr": "b@x"}], [{"addr": "c@x"}], "a@x", ["c@x", "b@x"]),
            ([{"name": "", "email": "a@x"}], {"address": "c@x"}, "a@x", ["c@x"]),
            ("<>", [], None, [""]),
            (None, None, None, [""]),
            ("", "", None, [""]),
            ([], [{}], None, [""]),
            ("a@x", [None, "b@x", "B@x"], "a@x", ["", "b@x"]),
        ],
    )
    def test_forms(
        self, desk: Desk, who: object, to: object, author: str | None, addressees: list[str]
    ) -> None:
        desk.table("t.jsonl", lines({"n": "m1", "who": who, "to": to}), MAIL)
        [row] = desk.rows()
        assert (row["author"], row["addressees"]) == (author, addressees)

    def test_a_post_needs_no_addressee(self, desk: Desk) -> None:
        desk.table("t.jsonl", lines({"n": "m1", "who": "a@x"}), MAIL.replace("private_message", "post"))
        assert desk.values("addressees") == [[]]

    def test_several_addresses_in_one_cell(self, desk: Desk) -> None:
        data = 'n,at,who,to,head,text,tags\nm1,,a@x,"Doe, J <j@x>; Roe, K <k@x>",,,\n'
        desk.table("t.csv", data, MAIL + 'split: {addressees: ";"}\n')
        assert desk.values("addressees") == [["j@x", "k@x"]]

    def test_without_the_flag_names_are_taken_as_they_are(self, desk: Desk) -> None:
        desk.table("t.jsonl", lines({"n": "m1", "who": "Ann <A@x>", "to": ["B", ""]}), POST)
        [row] = desk.rows()
        assert (row["author"], row["addressees"]) == ("Ann <A@x>", ["B", ""])


class TestFiles:
    def test_truncated_gzip_keeps_the_rows_before(self, desk: Desk) -> None:
        rows = [
            {"id": f"m{number}", "category": "post", "body": f"{number} " * 40} for number in range(5_000)
        ]
        path = desk.write("t.jsonl.gz", lines(*rows))
        path.write_bytes(path.read_bytes()[:-2_000])
        with pytest.raises(DamagedInput, match=r"t\.jsonl\.gz:\d+: the gzip file ends too early") as caught:
            import_table(desk.intake(), [path])
        report = caught.value.report
        assert 2_000 < report.imported < 5_000
        assert desk.store.count() == report.imported == report.read - 1
        assert desk.rejects(report)[0]["line"] == report.imported + 1

    def test_several_tables_of_one_shape(self, desk: Desk, counts: Counted) -> None:
        paths = [
            desk.write("a.jsonl", lines(STANDARD)),
            desk.write("b.csv", "id,category\nm2,post\n"),
            desk.write(
                "c.parquet",
                parquet(
                    pa.table(
                        {
                            "id": ["m2", "m3"],
                            "category": ["post"] * 2,
                            "body": pa.array([None, ""], pa.string()),
                        }
                    )
                ),
            ),
        ]
        assert counts(import_table(desk.intake(), paths)) == (4, 3, 1, 0)

    @pytest.mark.parametrize("name", ["t.xlsx", "t", "t.txt.gz"])
    def test_a_kind_that_is_not_known(self, desk: Desk, name: str) -> None:
        with pytest.raises(BadInput, match="expected a name that ends in"):
            desk.table(name, "id\n")

    def test_a_folder_is_no_table(self, desk: Desk) -> None:
        with pytest.raises(BadInput, match="is no file"):
            import_table(desk.intake(), [desk.folder])

    def test_a_pipe_is_no_table(self, desk: Desk) -> None:
        os.mkfifo(desk.folder / "t.csv")
        with pytest.raises(BadInput, match="is no file"):
            import_table(desk.intake(), [desk.folder / "t.csv"])

    def test_a_mistake_in_the_second_table_writes_nothing(self, desk: Desk) -> None:
        paths = [desk.write("a.jsonl", lines(STANDARD)), desk.write("b.csv", "key\nm2\n")]
        with pytest.raises(BadInput, match="has no column"):
            import_table(desk.intake(), paths)
        assert not desk.store.folder.exists()

    @pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz", "t.parquet"])
    def test_progress_ends_at_the_total(self, desk: Desk, name: str) -> None:
        rows = [STANDARD | {"id": f"m{number}"} for number in range(3_000)]
        path = desk.write(name, parquet(pa.Table.from_pylist(rows)) if "parquet" in name else lines(*rows))
        seen: list[tuple[int, int | None]] = []
        import_table(desk.intake(dry_run=True, progress=lambda done, all_: seen.append((done, all_))), [path])
        assert seen == sorted(seen)
        assert seen[-1] == (path.stat().st_size,) * 2

    def test_a_dry_run_writes_nothing(self, desk: Desk) -> None:
        path = desk.write("t.jsonl", lines(STANDARD, STANDARD) + "{broken\n")
        before = sorted(Path(desk.folder).rglob("*"))
        report = import_table(desk.intake(dry_run=True), [path])
        assert (report.imported, report.duplicates, report.rejected, report.rejects_file) == (1, 1, 1, None)
        assert sorted(Path(desk.folder).rglob("*")) == before
