"""Commands on releases: build, list, show, diff, verify."""

from __future__ import annotations

from pathlib import Path

import click

from troth.app import explaining, releases, verifying
from troth.app import home as homes
from troth.cli.long import long_options, print_plan, settings_of
from troth.cli.output import (
    NEW_FILE,
    TEXT,
    as_json,
    as_of_option,
    at_option,
    count,
    engine_options,
    print_json,
    print_table,
    progress,
    records_option,
    use_of,
    use_options,
)
from troth.cli.proofs import say
from troth.core.findings import Findings
from troth.core.values import format_instant


@click.group()
def release() -> None:
    """Sealed training data: every row was allowed, anybody can check it."""


@release.command("build")
@use_options
@at_option
@as_of_option
@records_option
@engine_options
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, metavar="DIR", help="The folder to make."
)
@click.option("--id", "name", type=TEXT, metavar="ID", help="The release's id; without it one is drawn.")
@click.option(
    "--left-out",
    type=NEW_FILE,
    metavar="FILE",
    help="Also write the records that stay out, and why, to this private Parquet file.",
)
@click.option(
    "--no-set",
    is_flag=True,
    help="Do not commit to the set of members: then nobody can prove to be in it or not.",
)
@long_options
@as_json
@click.pass_obj
def build(
    path: str,
    purpose: str,
    recipient: str,
    at: str | None,
    as_of: int | None,
    records: str | None,
    out: Path,
    name: str | None,
    left_out: Path | None,
    no_set: bool,
    engine: str | None,
    threads: int | None,
    memory: str | None,
    work: Path | None,
    part_rows: int,
    explain_plan: bool,
    json_: bool,
) -> None:
    """Build a sealed release of what a use may have."""
    home = homes.limited(homes.open_home(path), engine, threads, memory)
    settings = settings_of(work, part_rows)
    if explain_plan:
        use = use_of(purpose, recipient)
        print_plan(
            explaining.explain_plan(home, use, at=at, as_of=as_of, source=records, settings=settings), json_
        )
        return
    with progress("building") as report:
        built = releases.build(
            home,
            use_of(purpose, recipient),
            out,
            at=at,
            as_of=as_of,
            source=records,
            name=name,
            left_out=left_out,
            progress=report,
            with_set=not no_set,
            work=settings,
        )
    if json_:
        print_json(built.as_json())
        return
    manifest = built.sealed.manifest
    click.echo(f"sealed {count(manifest.rows)} rows of {count(manifest.members)} members in {out}")
    click.echo(f"release {manifest.release}, recorded at {count(built.entry)}")
    for reason, number in _largest_first(manifest.first_reasons):
        click.echo(f"  {count(number)} stayed out: {reason}")
    click.echo(f"check it with: troth verify {out}")


@release.command("list")
@as_json
@click.pass_obj
def list_(path: str, json_: bool) -> None:
    """List the releases that the ledger knows."""
    found = releases.listed(homes.open_home(path))
    if json_:
        print_json([{"entry": position, **details} for position, details in found])
        return
    keys = ("release", "purpose", "recipient", "at", "settings_as_of", "rows", "members")
    print_table(
        ("entry", "release", "purpose", "recipient", "at", "position", "rows", "members"),
        [(position, *(details[key] for key in keys)) for position, details in found],
    )


@release.command("show")
@click.argument("folder", type=click.Path(path_type=Path))
@as_json
def show(folder: Path, json_: bool) -> None:
    """Show what a release folder claims (check it with `troth verify`)."""
    manifest = releases.manifest_of(folder)
    if json_:
        print_json(
            {
                "release": manifest.release,
                "purpose": manifest.use.purpose,
                "recipient": manifest.use.recipient,
                "at": format_instant(manifest.at),
                "position": manifest.settings_as_of,
                "created_at": format_instant(manifest.created_at),
                "engine": manifest.engine,
                "rows": manifest.rows,
                "members": manifest.members,
                "row_root": manifest.row_root,
                "set_root": manifest.set_root,
                "set_bits": manifest.set_bits,
                "directory_root": manifest.directory_root,
                "counts": releases.counts_of(manifest),
                "terms": [f"{document} {version}" for document, version in manifest.terms],
                "inputs": [one.name for one in manifest.inputs],
                "files": [one.name for one in manifest.files],
            }
        )
        return
    click.echo(f"{manifest.release}: {manifest.use.purpose} by {manifest.use.recipient}")
    click.echo(
        f"asked for {format_instant(manifest.at)}, with the ledger's first {count(manifest.settings_as_of)} entries"
    )
    click.echo(f"{count(manifest.rows)} rows of {count(manifest.members)} members; root {manifest.row_root}")
    click.echo(f"rests on {', '.join(f'{document} {version}' for document, version in manifest.terms)}\n")
    print_table(
        ("stayed out because", "records"),
        [(reason, count(number)) for reason, number in _largest_first(manifest.first_reasons)],
    )


@release.command("diff")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@as_json
def diff(before: Path, after: Path, json_: bool) -> None:
    """Compare two release folders."""
    found = releases.compare(before, after)
    if json_:
        print_json(found.as_json())
        return
    answer = found.as_json()
    print_table(
        ("", "before", "after"),
        [
            (key, *(str(one) for one in answer[key]))  # type: ignore[union-attr]
            for key in ("releases", "purpose", "recipient", "at", "position", "rows", "members")
        ],
    )
    click.echo(
        f"\n{count(found.kept)} records in both, {count(found.added)} added, {count(found.removed)} removed"
    )


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The operator's public key, had from elsewhere; without it the key in the folder is taken.",
)
@click.option(
    "--policy",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="For receipts, checkpoints, certificates: a trust policy, or a log's verifier key, had from elsewhere.",
)
@click.option(
    "--release-manifest",
    "manifest",
    type=click.Path(path_type=Path),
    metavar="DIR|FILE",
    help="For a proof or receipt: the folder of the release, or its signed manifest.",
)
@click.option(
    "--secret",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="For a proof: your secret file, to see that the proof is about you.",
)
@click.option(
    "--rests-on",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="RECEIPT",
    help="For a receipt: those that it rests on; receipts named together count as well.",
)
@as_json
def verify(
    paths: tuple[Path, ...],
    keys: tuple[Path, ...],
    policy: Path | None,
    manifest: Path | None,
    secret: Path | None,
    rests_on: tuple[Path, ...],
    json_: bool,
) -> None:
    """Check releases, proofs, certificates, receipts, recalls, checkpoints offline. Exit status 1 if one fails."""
    ok = True
    for path in paths:
        others = [*paths, *rests_on]
        findings = verifying.verify(
            path,
            keys,
            policy=policy,
            release=manifest,
            secret=secret,
            rests_on=[one for one in others if one != path],
        )
        ok = ok and findings.ok
        if json_:
            print_json(findings.as_json())
        else:
            _print(path, findings)
    if not ok:
        raise SystemExit(1)


def _print(path: Path, findings: Findings) -> None:
    click.echo(f"{path}: {'holds' if findings.ok else 'DOES NOT HOLD'}")
    say(findings)


def _largest_first(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
