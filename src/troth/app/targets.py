"""Finding the model that somebody names: a folder, a GGUF file, an address, or a model of the home."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from troth.app.home import Home
from troth.core.errors import BadInput, Place
from troth.learning.targets import Target

KEY_VARIABLE = "TROTH_TARGET_KEY"


@dataclass(frozen=True, slots=True)
class Way:
    """How an endpoint is asked: the model's name, whether it only chats, the cache, requests a minute."""

    model: str | None = None
    chat: bool = False
    cache: Path | None = None
    per_minute: float = 600.0
    tokenizer: Path | None = None


def is_address(name: str) -> bool:
    """Whether a model is named by an address."""
    return name.startswith(("http://", "https://"))


def find(home: Home, name: str, way: Way) -> Target:
    """The target that a name stands for.

    Raises:
        BadInput: there is no such model.
    """
    if is_address(name):
        return _endpoint(name, way)
    folder = Path(name)
    if not folder.is_dir() and folder.suffix != ".gguf":
        return _own(home, name)
    from troth.learning.targets.local import Local

    return Local(folder, tokenizer=way.tokenizer)


def _own(home: Home, name: str) -> Target:
    from troth.app.models import model_of, models_path, open_model
    from troth.learning.statements import digest_of
    from troth.learning.targets import local
    from troth.learning.targets.own import Own

    if Path(name).name != name or not (models_path(home) / name).is_dir():
        raise BadInput(
            "there is no such model",
            place=Place(name),
            remedy="name a folder, an address, or a model of this home (see `troth models`)",
        )
    served = open_model(home, name)
    try:
        # What is tested is what is served now, as one thing, also if somebody withdraws meanwhile.
        model, folder = served.current(), model_of(home, name)
        state = folder.state()
        taken_off = local.digest_of([folder.path / one.path for one in state.differences])
    except BaseException:
        served.close()
        raise
    digest = hashlib.sha256(f"{digest_of(state.serving)}\n{taken_off}".encode()).hexdigest()
    return Own(model, name, digest, served.close)


def _endpoint(name: str, way: Way) -> Target:
    from troth.learning.targets.cache import Cache
    from troth.learning.targets.endpoint import Address, Endpoint

    if not way.model:
        raise BadInput("which model of this address?", place=Place(name), remedy="name it with --model-name")
    address = Address(name, way.model, os.environ.get(KEY_VARIABLE) or None, way.chat)
    return Endpoint(address, Cache(way.cache) if way.cache else None, per_minute=way.per_minute)
