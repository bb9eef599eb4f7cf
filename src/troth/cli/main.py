"""The entry point: commands are imported only when they are called, so that ``troth --help`` is quick."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TextIO

import click

from troth.core.errors import TrothError, Unpublished

_COMMANDS: Final = {
    "init": ("troth.cli.homes:init", "Make a new home: keys, ledger, configuration."),
    "demo": ("troth.cli.demo:demo", "The whole story in one go, on a reference network."),
    "terms": ("troth.cli.terms:terms", "Documents, settings, regimes, rules: add, list, show, diff."),
    "what-if": ("troth.cli.terms:what_if", "What terms would change, before they are published."),
    "notice": ("troth.cli.notices:notice", "Who was told of which version, and who was not."),
    "subjects": ("troth.cli.members:subjects", "Members and their attributes: import, show."),
    "setting": ("troth.cli.members:setting", "A member's switches: choose."),
    "consent": ("troth.cli.members:consent", "A member's consents: give, withdraw."),
    "withdraw": ("troth.cli.members:withdraw", "Take back a setting, or everything."),
    "object": ("troth.cli.members:object_", "A member objects to training."),
    "erase": ("troth.cli.members:erase", "A member's erasure."),
    "identity": (
        "troth.cli.identity:identity",
        "Accounts that are one person's: join, undo, list, doubtful.",
    ),
    "signal": ("troth.cli.signals:signal", "GPC, Content-Usage, TDMRep: read, applied, listed."),
    "topics": ("troth.cli.topics:topics", "Sensitive matters found in records: find, show, forget."),
    "ai-written": (
        "troth.cli.ai_written:ai_written",
        "How much is likely machine-written: share, mark, unmark.",
    ),
    "matrix": ("troth.cli.matrix:matrix", "Rooms of Matrix, live: register, serve."),
    "stream": ("troth.cli.streams:stream", "Choices, deletions and records from Kafka, as they come."),
    "record": ("troth.cli.homes:record", "Record any events from YAML files."),
    "ledger": ("troth.cli.homes:ledger", "The ledger: show entries, check."),
    "log": ("troth.cli.logs:log", "The public log: publish, show, policy, receipts."),
    "witness": ("troth.cli.witness:witness", "A witness of others' logs: init, run, show."),
    "fsck": ("troth.cli.upkeep:fsck", "Derive everything anew; report any damage."),
    "backup": ("troth.cli.upkeep:backup", "Copy the home while it is in use."),
    "restore": ("troth.cli.upkeep:restore", "Make a home of a copy."),
    "import": ("troth.cli.imports:import_", "Records in: mail, tables."),
    "records": ("troth.cli.stored:records", "Imported records: show, correct, delete."),
    "decide": ("troth.cli.decide:decide", "Which records one use may have, and why not."),
    "explain": ("troth.cli.decide:explain", "One record: every party, every reason, every clause."),
    "check": ("troth.cli.decide:check", "A gate for pipelines: may the rows of a data set be used?"),
    "test": ("troth.cli.decide:test", "Run case files."),
    "verdicts": ("troth.cli.verdicts:verdicts", "Verdicts as a table elsewhere, kept up: sync, view."),
    "release": ("troth.cli.release:release", "Sealed training data: build, list, show, diff."),
    "serve": ("troth.cli.serve:serve", "Pages for members, operators and auditors, and the API."),
    "account": ("troth.cli.serve:account", "Who may sign in to the server: add, list, disable."),
    "token": ("troth.cli.serve:token", "Which programs may use the API: add, revoke."),
    "member": ("troth.cli.proofs:member", "Members' secrets, to prove with."),
    "directory": ("troth.cli.proofs:directory", "What binds accounts to secrets: seal, list."),
    "prove": ("troth.cli.proofs:prove", "Are a member's messages in a release? A proof either way."),
    "recipient": ("troth.cli.disclosures:recipient", "Who may get something: add, list, show."),
    "disclose": ("troth.cli.disclosures:disclose", "Give a release to a recipient, with a receipt."),
    "countersign": (
        "troth.cli.disclosures:countersign",
        "Sign for a release that arrived, after recomputing it.",
    ),
    "disclosures": ("troth.cli.disclosures:disclosures_", "What left, to whom; drawn with --flow."),
    "recalls": ("troth.cli.disclosures:recalls_", "What has to come back, and what is due."),
    "recall": ("troth.cli.disclosures:recall", "Remind, acknowledge, build a successor."),
    "violation": ("troth.cli.holds:violation", "Prove that a release broke its word towards a member."),
    "hold": ("troth.cli.holds:hold", "Legal hold by matter: open, close, list."),
    "past": ("troth.cli.holds:past", "What left before Troth, judged by the terms of its day."),
    "verify": (
        "troth.cli.release:verify",
        "Check releases, proofs, certificates, receipts, checkpoints offline.",
    ),
    "train": ("troth.cli.models:train", "Train a model from sealed releases."),
    "models": ("troth.cli.models:models", "Models: list them, register one trained elsewhere."),
    "show": ("troth.cli.models:show", "One model: what it is, where it stands."),
    "generate": ("troth.cli.models:generate", "Have a model go on from a prompt."),
    "unlearn": ("troth.cli.models:unlearn", "Make a model again without what was taken back."),
    "replay": ("troth.cli.models:replay", "Train what a certificate names again, and compare."),
    "watch": ("troth.cli.watch:watch", "What a change of published documents does; archives of them."),
    "paper": ("troth.cli.papers:paper", "Papers for members, regulators and courts, counted from the facts."),
    "requests": ("troth.cli.papers:requests", "Members' requests, and when each has to be answered."),
    "exposure": ("troth.cli.exposure:exposure", "Whom and what a claim would concern, counted."),
    "dossier": ("troth.cli.dossier:dossier", "The reference network's affair as papers, in one go."),
    "canary": ("troth.cli.canary:canary", "Marks that tell whether a model was trained on them."),
    "audit": ("troth.cli.audit:audit", "Was this model trained on these messages?"),
}


class _ReaderGone(Exception):
    """Standard output was closed by whoever read it."""


class _Commands(click.Group):
    """A group whose commands are named here and imported when called."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Click would end with 1, which means "the answer is no".
            raise _ReaderGone from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean {near[0]!r}?", ctx) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home",
    envvar="TROTH_HOME",
    default="troth-home",
    show_default=True,
    metavar="DIR",
    help="The home to work on (or the variable TROTH_HOME).",
)
@click.version_option(package_name="troth", message="%(version)s")
@click.pass_context
def cli(context: click.Context, home: str) -> None:
    """Keep AI training true to what people were promised, and prove it.

    Exit status: 0 fine, 1 the answer is no, 2 the question is wrong, 3 the system could not.
    """
    context.obj = home


def main() -> None:
    """Run the command line; errors become a message and an exit status."""
    try:
        with _notes():
            status = cli(prog_name="troth", standalone_mode=False)
    except TrothError as error:
        click.echo(f"troth: {error}", err=True)
        sys.exit(error.exit_status)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        click.echo("troth: interrupted; what was not finished was not written", err=True)
        sys.exit(3)
    except _ReaderGone:
        # Such as `| head`: nobody is left to tell, and nothing may be flushed at exit. Not 0 and not 1, since
        # the answer was not given: a gate must not look passed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(3)
    except OSError as error:
        click.echo(f"troth: {error.filename or 'storage'}: {error.strerror or error}", err=True)
        sys.exit(3)
    except Exception as error:
        message = _engine_message(error)
        if message is None:
            raise
        click.echo(f"troth: {message}", err=True)
        sys.exit(3)
    sys.exit(status if isinstance(status, int) else 0)


@contextmanager
def _notes() -> Iterator[None]:
    """A warning of Troth is a note to whoever typed the command; other warnings stay as they are."""
    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, Unpublished):
                click.echo(f"troth: note: {message}", err=True)
            else:
                others(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        warnings.simplefilter("always", Unpublished)
        yield


def _engine_message(error: Exception) -> str | None:
    """What to say of an error of the engine, or None for any other.

    Its texts may quote values of records, so only those are passed on that speak of files and memory.
    """
    engine = sys.modules.get("duckdb")
    if engine is None or not isinstance(error, engine.Error):
        return None
    text = str(error).partition("\n")[0]
    if isinstance(error, engine.IOException | engine.OutOfMemoryException) or "Failed to read file" in text:
        return f"the records cannot be read: {text}\n  remedy: check the files, the disk and free memory"
    return f"the engine could not work on the records ({type(error).__name__})\n  remedy: check their columns"
