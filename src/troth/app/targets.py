"""Finding the model that somebody names: a folder, an address, or a model of the home."""

from __future__ import annotations

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
    del home
    if is_address(name):
        return _endpoint(name, way)
    folder = Path(name)
    if not folder.is_dir():
        raise BadInput("there is no such model", place=Place(name), remedy="name a folder or an address")
    from troth.learning.targets.local import Local

    return Local(folder, tokenizer=way.tokenizer)


def _endpoint(name: str, way: Way) -> Target:
    from troth.learning.targets.cache import Cache
    from troth.learning.targets.endpoint import Address, Endpoint

    if not way.model:
        raise BadInput("which model of this address?", place=Place(name), remedy="name it with --model-name")
    address = Address(name, way.model, os.environ.get(KEY_VARIABLE) or None, way.chat)
    return Endpoint(address, Cache(way.cache) if way.cache else None, per_minute=way.per_minute)
