"""``troth exposure``: whom and what a claim would concern."""

from __future__ import annotations

from pathlib import Path

import click

from troth.app import home as homes
from troth.cli.output import NEW_FILE, as_json, as_of_option, count, print_json


@click.command()
@click.argument("claim", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="CLAIM.yaml")
@click.option(
    "--disclosed", multiple=True, metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Disclosures from before the ledger: record, recipient, purpose, at, evidence, confidence.",
)  # fmt: skip
@click.option(
    "--release", "folders", multiple=True, metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of a release that was disclosed, to count its rows.",
)  # fmt: skip
@click.option("--records", metavar="PATH", help="Parquet files of records instead of the home's own.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Write a bundle that others verify offline."
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(["json", "html", "pdf"]),
    help="What to write; all of them if not named.",
)
@click.option(
    "--notice-list",
    "notice",
    type=NEW_FILE,
    metavar="FILE",
    help="Write whom a class notice would go to: a private CSV file.",
)
@as_of_option
@as_json
@click.pass_obj
def exposure(
    path: str,
    claim: Path,
    disclosed: tuple[Path, ...],
    folders: tuple[Path, ...],
    records: str | None,
    out: Path | None,
    formats: tuple[str, ...],
    notice: Path | None,
    as_of: int | None,
    json_: bool,
) -> None:
    """Count whom and what a claim would concern: members, records, disclosures, money, under each reading."""
    from troth.app import exposure as operations
    from troth.app.papers import FORMATS
    from troth.cli.papers import show

    home = homes.open_home(path)
    counted = operations.expose(
        home,
        claim,
        as_of=as_of,
        disclosed=disclosed,
        folders=folders,
        records=records,
        notice=Path(notice) if notice is not None else None,
    )
    written = operations.bundle(home, counted, out, ("json", *(one for one in formats or FORMATS if one != "json"))) if out is not None else ()  # fmt: skip
    if json_:
        print_json(counted.paper.as_json())
        return
    if not written:
        show(counted.paper.as_json())
    for one in written:
        click.echo(str(one))
    if notice is not None:
        click.echo(f"{count(counted.notified)} people in {notice}, which is private")
