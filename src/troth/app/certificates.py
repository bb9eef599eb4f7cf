"""Certificates of unlearning: checked offline, replayed elsewhere, followed from one to the next."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from troth.app import logs
from troth.app.home import Home
from troth.app.models import FROZEN, digest_served, model_of, models_path, read_frozen, unheard
from troth.core import certificate
from troth.core.certificate import (
    KIND,
    MAX_BYTES,
    Certificate,
    all_leaves,
    check_certificate,
    check_withdrawals,
)
from troth.core.errors import BadInput, Place
from troth.core.findings import Findings
from troth.core.policy import Policy
from troth.core.shards import NOTHING_FROZEN
from troth.core.verify import read_envelope
from troth.learning.jobs import Report, leaves_beside
from troth.learning.registry import ModelFolder
from troth.learning.replay import Materials
from troth.learning.replay import replay as replay_parts
from troth.learning.serving import BACKENDS, backend_of
from troth.release.load import load
from troth.release.sign import load_public

_HOME_KEY: Final = "keys/operator.pub"


def is_certificate(path: Path) -> bool:
    """Whether a path is a file that looks like a certificate of unlearning."""
    if not path.is_file() or path.stat().st_size > 8 * MAX_BYTES:
        return False
    try:
        return certificate.is_certificate(read_envelope(path.read_bytes(), path.name).payload)
    except (BadInput, OSError):
        return False


def verify(
    path: Path,
    keys: Sequence[Path] | None = None,
    home: Path | None = None,
    *,
    policy: Path | None = None,
) -> Findings:
    """Check a certificate offline, with public key files; None: the key of the home that it lies in.

    With a policy its withdrawals are held against the log that this trusts.
    """
    return _checked(path, keys, home, logs.read_trust(policy) if policy is not None else None)[0]


def _checked(
    path: Path, keys: Sequence[Path] | None, home: Path | None, trusted: Policy | None = None
) -> tuple[Findings, Certificate | None, bytes | None]:
    findings = Findings(KIND)
    named = list(keys) if keys else _keys_near(path, home)
    if not keys and named:
        findings.warning(
            "checked with the key of the home that it lies in; name the operator's key, had from elsewhere, with --key",
            _HOME_KEY,
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        findings.error(f"cannot be read: {error.strerror}", str(path))
        return findings, None, None
    if not named:
        findings.error("there is no key to check it with: name the operator's with --key", str(path))
    side = leaves_beside(path)
    beside = side.read_bytes() if side.is_file() else None
    found = check_certificate(data, [load_public(one) for one in named], findings, path.name, beside)
    if found is not None:
        check_withdrawals(found, trusted, findings)
    return findings, found, beside


def _trusted(home: Home | None) -> Policy | None:
    """The policy of a home's own log."""
    return None if home is None or home.config.origin is None else logs.policy_of(home)


def _keys_near(path: Path, home: Path | None) -> list[Path]:
    """The key of the home: of the one given, else of the one that the file lies in."""
    folders = [home] if home is not None else list(path.absolute().parents)
    return [one / _HOME_KEY for one in folders if (one / _HOME_KEY).is_file()][:1]


def replay(
    path: Path,
    releases: Sequence[Path] = (),
    *,
    home: Home | None = None,
    keys: Sequence[Path] | None = None,
    frozen: Path | None = None,
    report: Report = unheard,
) -> Findings:
    """Train the parts of a certificate again from the releases, and compare with what it says.

    Args:
        path: the certificate.
        releases: the folders of its releases; none: where the home's model had them.
        home: where to look for the model, to hold what is served there against the certificate; None: nowhere.
        keys: public key files; None: the key of the home that the certificate lies in.
        frozen: the file of what was frozen, where the plan had one; None: the home's.
        report: told what is done.

    Raises:
        Refused: a release is not as it was sealed.
        BadInput: something is missing.
    """
    findings, found, beside = _checked(path, keys, home.path if home else None, _trusted(home))
    if found is None or not findings.ok:
        return findings
    leaves = all_leaves(found, beside)
    if leaves is None:
        raise BadInput(
            "the leaves that it takes out are not here",
            place=Place(str(leaves_beside(path))),
            remedy="put the file that came with the certificate beside it",
        )
    model = _model_named(home, found.model) if home is not None else None
    folders = list(releases) or [Path(one.path) for one in model.facts.releases] if model else list(releases)
    if not folders:
        raise BadInput("the releases are needed", remedy="name their folders with --release")
    loaded = {one.manifest.release: one for one in (load(folder) for folder in folders)}
    ordered = [loaded[name] for name, _ in found.releases if name in loaded]
    if frozen is None and found.frozen is not None and model is not None:
        frozen = model.path / FROZEN
    known = read_frozen(frozen) if frozen is not None else NOTHING_FROZEN
    if found.frozen is not None and known.digest() != found.frozen:
        raise BadInput(
            "what was frozen about members and conversations is needed, and is not what the certificate names",
            remedy="name the model's frozen.json with --frozen",
        )
    if found.backend not in BACKENDS:
        findings.error(f"this Troth has no backend {found.backend!r}", "backend")
        return findings
    replay_parts(found, backend_of(found.backend), Materials(ordered, known, *leaves), findings, report)
    if model is not None:
        _check_served(model, path, found, findings)
    return findings


def _model_named(home: Home, name: str) -> ModelFolder | None:
    return model_of(home, name) if (models_path(home) / name).is_dir() else None


def _check_served(model: ModelFolder, path: Path, found: Certificate, findings: Findings) -> None:
    """Whether the model in the home is the one of the certificate: its files give the digests that it serves."""
    state, backend = model.state(), backend_of(model.facts.backend)
    for one in state.serving:
        if backend.digest(model.path / one.path) != one.digest:
            findings.error(
                "is not what was certified: its files were exchanged", f"served part {one.shard}-{one.slice}"
            )
    if not state.certificates or (model.path / state.certificates[-1]).read_bytes() != path.read_bytes():
        findings.info("the model in this home has a later certificate", found.model)
    elif not state.differences and digest_served(state) != found.digest:
        findings.error("what is served in this home is another model than the certificate's", found.model)


def chain(home: Home, name: str) -> Findings:
    """Check all certificates of a model, and that each goes on from the one before it, to what is served now."""
    model = model_of(home, name)
    findings = Findings(KIND)
    state = model.state()
    said: list[Certificate] = []
    for one in state.certificates:
        path = model.path / one
        checked, found, _ = _checked(path, None, home.path, _trusted(home))
        findings.findings += [each for each in checked.findings if each.level == "error"]
        if found is not None:
            said.append(found)
            if found.model != name or found.training != state.training:
                findings.error("is the certificate of another model", path.name)
    for earlier, later in pairwise(said):
        if later.digest_before != earlier.digest:
            findings.error("does not go on from the certificate before it", name)
    if said and not state.differences and not state.job and digest_served(state) != said[-1].digest:
        findings.error("what is served is another model than the last certificate's", name)
    return findings
