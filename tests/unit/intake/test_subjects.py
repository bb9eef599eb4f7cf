import gzip
import io
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from troth.core.errors import BadInput
from troth.core.events import Attributes
from troth.core.values import parse_instant
from troth.intake.subjects import DeliveryResult, read_delivery_results, read_subjects

SINCE = parse_instant("2020-01-01")


def write(folder: Path, name: str, content: str | pa.Table) -> Path:
    path = folder / name
    if isinstance(content, str):
        path.write_text(content, encoding="utf-8")
    else:
        file = io.BytesIO()
        pq.write_table(content, file)
        path.write_bytes(file.getvalue())
    return path


class TestSubjects:
    def test_csv(self, tmp_path: Path) -> None:
        content = (
            "subject,since,jurisdiction,tier,born,status\n"
            "ann,2020-01-01,US-CA,premium,1980,active\n"
            "bob,2020-01-01T00:00:00Z,CN-HK,,1980-05-17,\n"
            "ann,2021-06-01T12:00:00+02:00,unknown,,null,closed\n"
        )
        assert read_subjects(write(tmp_path, "s.csv", content)) == [
            Attributes(
                "ann",
                SINCE,
                (
                    ("jurisdiction", "US-CA"),
                    ("tier", "premium"),
                    ("born", (1980, 12, 31)),
                    ("status", "active"),
                ),
            ),
            Attributes("bob", SINCE, (("jurisdiction", "HK"), ("born", (1980, 5, 17)))),
            Attributes(
                "ann",
                parse_instant("2021-06-01T10:00:00Z"),
                (("jurisdiction", None), ("born", None), ("status", "closed")),
            ),
        ]

    def test_json_lines_where_null_is_unknown_and_missing_is_not_named(self, tmp_path: Path) -> None:
        content = (
            '{"subject": "ann", "since": "2020-01-01", "jurisdiction": null, "born": 1980}\n'
            '{"subject": "bob", "since": "2020-01-01", "jurisdiction": "unknown", "tier": ""}\n'
        )
        assert read_subjects(write(tmp_path, "s.jsonl", content)) == [
            Attributes("ann", SINCE, (("jurisdiction", None), ("born", (1980, 12, 31)))),
            Attributes("bob", SINCE, (("jurisdiction", None),)),
        ]

    def test_parquet_where_null_is_an_empty_cell(self, tmp_path: Path) -> None:
        table = pa.table(
            {
                "subject": ["ann", "bob"],
                "since": pa.array([datetime(2020, 1, 1, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC")),
                "jurisdiction": [None, "unknown"],
                "born": pa.array([date(1980, 5, 17), None], pa.date32()),
            }
        )
        assert read_subjects(write(tmp_path, "s.parquet", table)) == [
            Attributes("ann", SINCE, (("born", (1980, 5, 17)),)),
            Attributes("bob", SINCE, (("jurisdiction", None),)),
        ]

    def test_an_empty_table(self, tmp_path: Path) -> None:
        assert read_subjects(write(tmp_path, "s.csv", "subject,since\n")) == []

    def test_every_bad_line_is_named_and_nothing_is_taken(self, tmp_path: Path) -> None:
        path = write(
            tmp_path,
            "s.csv",
            "subject,since,jurisdiction,born,status\n"
            "ann,2020-01-01,US,1980,active\n"
            "bob,yesterday,US,1980,active\n"
            ",2020-01-01,US,1980,active\n"
            "carl,2020-01-01,UK,1980,active\n"
            "dan,2020-01-01,US,1980-02-30,active\n"
            "eve,2020-01-01,US,1980,asleep\n"
            "fay,2020-01-01,US\n"
            "gil,unknown,US,1980,active\n",
        )
        with pytest.raises(BadInput) as caught:
            read_subjects(path)
        text = str(caught.value)
        assert "7 lines cannot be read, so nothing was taken" in text
        for line, message in (
            (3, "since: expected an instant"),
            (4, "'subject' is missing"),
            (5, "did you mean GB?"),
            (6, "not a day of the calendar"),
            (7, "expected one of active, closed, erased"),
            (8, "the row has 3 cells, the header 5"),
            (9, "since: expected an instant"),
        ):
            place = f"{path}:{line}: "
            assert place in text
            assert message in text.partition(place)[2].partition(f"{path}:")[0]

    def test_twenty_are_shown_and_the_rest_is_counted(self, tmp_path: Path) -> None:
        path = write(tmp_path, "s.csv", "subject,since\n" + "ann,never\n" * 50)
        with pytest.raises(BadInput) as caught:
            read_subjects(path)
        assert str(caught.value).count(f"{path}:") == 21
        assert "… and 30 more" in str(caught.value)

    @pytest.mark.parametrize(
        ("header", "message"),
        [
            ("subject,since,jurisdicton", "did you mean 'jurisdiction'?"),
            ("subject,jurisdiction", "the column 'since' is missing"),
            ("since", "the column 'subject' is missing"),
        ],
    )
    def test_columns(self, tmp_path: Path, header: str, message: str) -> None:
        path = write(tmp_path, "s.csv", header + "\n")
        with pytest.raises(BadInput) as caught:
            read_subjects(path)
        assert message in str(caught.value)
        assert caught.value.place is not None
        assert caught.value.place.line == 1

    def test_unknown_keys_of_json_lines(self, tmp_path: Path) -> None:
        path = write(tmp_path, "s.jsonl", '{"subject": "ann", "since": "2020-01-01", "name": "Ann"}\n')
        with pytest.raises(BadInput, match=r"s\.jsonl:1: name: unknown key"):
            read_subjects(path)

    @pytest.mark.parametrize(
        "line", ['{"choose": {"subject": "ann"}}', '{"erase": {"subject": "ann", "at": "2020-01-01"}}']
    )
    def test_other_events_do_not_slip_in(self, tmp_path: Path, line: str) -> None:
        with pytest.raises(BadInput, match="1 line cannot be read"):
            read_subjects(write(tmp_path, "s.jsonl", line + "\n"))

    def test_a_truncated_table_is_refused_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "s.parquet"
        path.write_bytes(b"PAR1 no more")
        with pytest.raises(BadInput, match="damaged or ends too early"):
            read_subjects(path)

    def test_a_truncated_gzip_file_has_no_line_to_mend(self, tmp_path: Path) -> None:
        path = tmp_path / "s.csv.gz"
        path.write_bytes(gzip.compress(b"subject,since\n" + b"ann,2020-01-01\n" * 50)[:-12])
        with pytest.raises(BadInput, match="the gzip file ends too early, so nothing was taken") as raised:
            read_subjects(path)
        assert raised.value.remedy == "get the file anew and repeat"


class TestDeliveryResults:
    def test_csv_and_json_lines(self, tmp_path: Path) -> None:
        csv = write(
            tmp_path, "r.csv", "subject,at,delivered\nann,2024-09-18,true\nbob,2024-09-18T01:00:00Z,false\n"
        )
        day = parse_instant("2024-09-18")
        assert [(one.subject, one.at, one.delivered) for one in read_delivery_results(csv)] == [
            ("ann", day, True),
            ("bob", day + 3_600_000_000, False),
        ]
        jsonl = write(tmp_path, "r.jsonl", '{"subject": "ann", "at": "2024-09-18", "delivered": false}\n')
        [row] = read_delivery_results(jsonl)
        assert isinstance(row, DeliveryResult)
        assert (row.delivered, str(row.place)) == (False, f"{jsonl}:1")

    @pytest.mark.parametrize(
        "row", ["ann,2024-09-18,yes", "ann,,true", ",2024-09-18,true", "ann,2024-09-18,", "ann,x,true"]
    )
    def test_bad_rows(self, tmp_path: Path, row: str) -> None:
        path = write(tmp_path, "r.csv", f"subject,at,delivered\nbob,2024-09-18,true\n{row}\n")
        with pytest.raises(BadInput, match=r"r\.csv:3: "):
            list(read_delivery_results(path))

    def test_every_column_must_be_there(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match="the column 'delivered' is missing"):
            list(read_delivery_results(write(tmp_path, "r.csv", "subject,at\n")))
