"""Commands on models: train, list, show, generate, unlearn, replay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from troth.app import home as homes
from troth.cli.output import TEXT, as_json, count, print_json, print_table, progress
from troth.core.written import Json

Report = Callable[[str, int, int | None], None]

_RELEASES = click.argument(
    "releases", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RELEASE…"
)


@contextmanager
def _reporting(what: str) -> Iterator[Report]:
    with progress(what) as report:
        yield lambda _, done, total: report(done, total)


@click.command()
@click.argument("releases", nargs=-1, type=click.Path(path_type=Path), metavar="RELEASE…")
@click.option("--model", "name", required=True, type=TEXT, metavar="NAME", help="What to call the model.")
@click.option("--backend", type=click.Choice(["counts", "lora"]), default="counts", show_default=True)
@click.option("--shards", type=click.IntRange(min=1), help="How many shards; without it: as is usual.")
@click.option("--slices", type=click.IntRange(min=1), help="How many slices to a shard.")
@click.option(
    "--members",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="CSV of subject, community, risk: fixed before, frozen for the model.",
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="An option of the backend, such as order=6.",
)
@as_json
@click.pass_obj
def train(
    path: str,
    releases: tuple[Path, ...],
    name: str,
    backend: str,
    shards: int | None,
    slices: int | None,
    members: Path | None,
    options: tuple[str, ...],
    json_: bool,
) -> None:
    """Train a model from sealed releases, so that a withdrawal can be undone in it.

    The backend counts is a back-off n-gram model over bytes: a baseline and an autocomplete, no large language
    model. Naming a model whose training was cut off, without releases, goes on with it.
    """
    from troth.app import models

    home = homes.open_home(path)
    with _reporting("training") as report:
        made = models.train(
            home,
            releases,
            name,
            backend=backend,
            shards=shards,
            slices=slices,
            options=_options(options),
            members=members,
            report=report,
        )
    if json_:
        print_json(made)
        return
    click.echo(f"trained {name} ({backend}) on {count(_int(made, 'records'))} records")
    click.echo(f"recorded at {count(_int(made, 'entry'))}; digest {made['digest']}")
    click.echo(f'ask it with: troth generate {name} --prompt "…"')


def _options(written: tuple[str, ...]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for one in written:
        name, equals, value = one.partition("=")
        if not (name and equals and value):
            raise click.UsageError(f"expected NAME=VALUE, got {one!r}")
        found[name] = int(value) if value.isascii() and value.isdecimal() else value
    return found


def _int(answer: dict[str, Json], key: str) -> int:
    value = answer[key]
    return value if isinstance(value, int) else 0


@click.group(invoke_without_command=True)
@as_json
@click.pass_context
def models(context: click.Context, json_: bool) -> None:
    """List the models of the home, or register one that was trained elsewhere."""
    if context.invoked_subcommand is None:
        from troth.app import models as operations

        found = operations.listed(homes.open_home(context.obj))
        if json_:
            print_json(found)
            return
        if not found:
            click.echo("this home holds no model; train one with `troth train`", err=True)
        print_table(
            ("model", "backend", "status", "records", "withdrawals waiting", "certificates"),
            [
                (
                    one["model"],
                    one["backend"],
                    one["status"],
                    count(_int(one, "records")),
                    one["withdrawals_waiting"],
                    len(one["certificates"]) if isinstance(one["certificates"], list) else 0,
                )
                for one in found
            ],
        )
        for one in found:
            if one["consequence"]:
                click.echo(f"{one['model']}: {one['consequence']}")


@models.command("register")
@_RELEASES
@click.option("--model", "name", required=True, type=TEXT, metavar="NAME", help="What to call the model.")
@click.option("--weights", type=TEXT, metavar="SHA256", help="The digest of its weights, where known.")
@click.option("--note", type=TEXT, metavar="TEXT", help="Words for people, such as where it is served.")
@as_json
@click.pass_obj
def register(
    path: str, releases: tuple[Path, ...], name: str, weights: str | None, note: str | None, json_: bool
) -> None:
    """Register a model that was trained elsewhere from releases: withdrawals that touch it are then known."""
    from troth.app import models as operations

    home = homes.open_home(path)
    with _reporting("reading") as report:
        made = operations.register(home, releases, name, weights=weights, note=note, report=report)
    if json_:
        print_json(made)
    else:
        click.echo(f"registered {name}, recorded at {count(_int(made, 'entry'))}")
        click.echo(
            "it was trained in one piece elsewhere: a withdrawal is listed here, and cannot be undone here"
        )


@click.command()
@click.argument("name", metavar="MODEL", type=TEXT)
@as_json
@click.pass_obj
def show(path: str, name: str, json_: bool) -> None:
    """Show a model: what it is, where it stands, its certificates. Exit status 1 if they do not hold together."""
    from troth.app import certificates
    from troth.app import models as operations

    home = homes.open_home(path)
    found, checked = operations.shown(home, name), certificates.chain(home, name)
    if json_:
        print_json({**found, "certificates_hold": checked.ok})
    else:
        for key in (
            "backend",
            "status",
            "records",
            "created_at",
            "entry",
            "digest",
            "weights",
            "note",
            "consequence",
        ):
            if found[key] is not None:
                click.echo(f"{key.replace('_', ' ')}: {found[key]}")
        for one in _list(found["releases"]):
            click.echo(f"release: {one['release']}")
        for one in _list(found["certificates"]):
            click.echo(f"certificate: {one}")
        for finding in checked.findings:
            click.echo(f"  {finding.level}: {finding.where}: {finding.what}")
    if not checked.ok:
        raise SystemExit(1)


def _list(value: Json) -> list[Any]:
    return value if isinstance(value, list) else []


@click.command()
@click.argument("name", metavar="MODEL", type=TEXT)
@click.option("--prompt", default="", help="What to go on from; without it: a text from its beginning.")
@click.option(
    "--length", type=click.IntRange(1, 100_000), default=200, show_default=True, help="Bytes at most."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--temperature",
    type=click.FloatRange(0, 10),
    default=0.5,
    show_default=True,
    help="0 takes the likeliest each time.",
)
@click.option("--device", default="cpu", show_default=True, help="Of the backend lora.")
@as_json
@click.pass_obj
def generate(
    path: str, name: str, prompt: str, length: int, seed: int, temperature: float, device: str, json_: bool
) -> None:
    """Have a model go on from a prompt. What was taken back by now is never served."""
    from troth.app import models as operations

    with operations.open_model(homes.open_home(path), name, device) as model:
        text = model.generate(prompt, length=length, seed=seed, temperature=temperature)
    if json_:
        print_json({"model": name, "prompt": prompt, "text": text, "seed": seed})
    else:
        click.echo(prompt + text)


@click.command()
@click.argument("name", metavar="MODEL", type=TEXT)
@click.option("--plan-only", is_flag=True, help="Say what would be redone, and do nothing.")
@click.option(
    "--canaries",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A campaign's keys: test the marks of those who left again, for the certificate.",
)
@as_json
@click.pass_obj
def unlearn(path: str, name: str, plan_only: bool, canaries: Path | None, json_: bool) -> None:
    """Make a model again without what was taken back, and certify it. Also finishes what was cut off."""
    from troth.app import unlearning

    home = homes.open_home(path)
    if plan_only:
        planned = unlearning.plan(home, name)
        if json_:
            print_json(planned)
            return
        parts = _list(planned["parts"])
        waiting = f"{count(_int(planned, 'records_waiting'))} records wait to be taken out"
        click.echo(f"{name}: {planned['status']}; {waiting}")
        if parts:
            click.echo(f"would make {len(parts)} parts again: {', '.join(parts)}")
        return
    with _reporting("unlearning") as report:
        made = unlearning.unlearn(home, name, report, canaries)
    if json_:
        print_json(made)
        return
    certificates = _list(made["made"])
    if not certificates:
        click.echo("nothing waits to be taken out")
    for one in certificates:
        click.echo(f"certificate: {one}")
        click.echo(f"check it with: troth verify {one}")


@click.command()
@click.argument("certificate", type=click.Path(path_type=Path))
@click.option(
    "--release",
    "releases",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A release that the certificate names; without it: where the home's model had them.",
)
@click.option("--key", "keys", multiple=True, type=click.Path(path_type=Path), metavar="FILE")
@click.option(
    "--frozen",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The model's frozen.json, if it has one.",
)
@as_json
@click.pass_obj
def replay(
    path: str,
    certificate: Path,
    releases: tuple[Path, ...],
    keys: tuple[Path, ...],
    frozen: Path | None,
    json_: bool,
) -> None:
    """Train the parts of a certificate again and compare. Exit status 1 if they differ.

    Needs no home: on another machine name the releases and the operator's key.
    """
    from troth.app import certificates

    home = homes.open_home(path) if (Path(path) / homes.CONFIG).is_file() else None
    with _reporting("replaying") as report:
        findings = certificates.replay(
            certificate, releases, home=home, keys=keys, frozen=frozen, report=report
        )
    if json_:
        print_json(findings.as_json())
    else:
        click.echo(f"{certificate}: {'the same' if findings.ok else 'NOT THE SAME'}")
        for finding in findings.findings:
            where = f"{finding.where}: " if finding.where else ""
            click.echo(f"  {finding.level}: {where}{finding.what}")
    if not findings.ok:
        raise SystemExit(1)
