"""The frozen model that adapters stand on: loaded from a local folder or GGUF file, never from a hub."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from troth.core.errors import BadInput, Place, Unavailable
from troth.core.values import canonical
from troth.learning.lora.settings import STRICT, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import transformers

# Read by huggingface_hub when it is first imported. Nothing here ever names a hub; this stops others too.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")

_WEIGHTS: Final = (".safetensors", ".gguf")
_READ: Final = (".json", ".txt", ".model", ".jinja", *_WEIGHTS)
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Base:
    """Where a base model lies, and the digest over all files of it that are read."""

    path: Path
    digest: str

    @property
    def name(self) -> str:
        """The last part of its path; no more of it goes into what is written."""
        return self.path.stem if self.path.is_file() else self.path.name


def find_base(path: Path) -> Base:
    """The base model in a folder with a Hugging Face model, or in a GGUF file.

    Its digest is the SHA-256 over the names and digests of configuration, tokenizer and weights: a swapped
    base, tokenizer or configuration has another one.

    Raises:
        BadInput: no model there, code of its own, or weights in a format that can run code.
    """
    place = Place(str(path))
    path = path.expanduser().resolve()
    if path.is_file() and path.suffix == ".gguf":
        return Base(path, _digest([path]))
    if not (path / "config.json").is_file():
        raise BadInput(
            "no model: expected a folder with config.json, tokenizer and .safetensors, or a .gguf file",
            place=place,
            remedy="save one with save_pretrained, or make a tiny one with troth.learning.lora.tiny.make_base",
        )
    files = sorted(file for file in path.iterdir() if file.is_file() and file.suffix in _READ)
    if not any(file.suffix == ".safetensors" for file in files):
        raise BadInput("no weights in .safetensors; other formats can run code", place=place)
    _refuse_code(path / "config.json", place)
    return Base(path, _digest(files))


def _refuse_code(config: Path, place: Place) -> None:
    try:
        written = json.loads(config.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"config.json is no JSON: {error}", place=place) from None
    if not isinstance(written, dict) or "auto_map" in written:
        raise BadInput("the model brings code of its own, which is not run", place=place)


def _digest(files: list[Path]) -> str:
    found: dict[str, str] = {}
    for file in files:
        digest = hashlib.sha256()
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
        found[file.name] = digest.hexdigest()
    return hashlib.sha256(canonical(dict(found))).hexdigest()


def load_tokenizer(base: Base) -> transformers.PreTrainedTokenizerBase:
    """The tokenizer that came with the base; it never saw a record of a release.

    Raises:
        BadInput: it cannot be read, or knows no end of text.
    """
    from transformers import AutoTokenizer

    with quiet(), _readable(base):
        tokenizer = AutoTokenizer.from_pretrained(**_source(base))
    if tokenizer.eos_token_id is None:
        raise BadInput("the tokenizer has no end-of-text token", place=Place(str(base.path)))
    return tokenizer


def load_model(base: Base, settings: Settings, device: str) -> Any:  # noqa: ANN401 - types of extras are not read
    """The causal language model, frozen, without dropout; float64 in strict mode, else float32.

    Raises:
        BadInput: it cannot be read as a causal language model.
    """
    import torch
    from transformers import AutoModelForCausalLM

    from troth.learning.lora.arithmetic import Widened

    strict = settings.mode == STRICT
    # Eager attention: fused kernels compute in ways of their own. What a model computes once while it is
    # loaded (frequencies of rotations) must be widened too.
    how: dict[str, Any] = {"attn_implementation": "eager"} if strict else {}
    with quiet(), _readable(base), Widened(check=False) if strict else contextlib.nullcontext():
        model = AutoModelForCausalLM.from_pretrained(
            **_source(base), **how, dtype=torch.float32, use_safetensors=True
        )
    if strict:
        model = model.double()
    model.config.use_cache = False
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return model.eval().to(device)


def choose_device(shard: int, wanted: str | None = None) -> str:
    """The device that trains a shard: one GPU per shard in turn where there are any, else the CPU.

    Raises:
        Unavailable: the wanted device is not there.
    """
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted is None:
        return f"cuda:{shard % gpus}" if gpus else "cpu"
    if wanted != "cpu" and not gpus:
        raise Unavailable(f"no device {wanted}", remedy="leave the device out, or train on cpu")
    return wanted


def _source(base: Base) -> dict[str, Any]:
    closed: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    if base.path.is_file():
        return {"pretrained_model_name_or_path": str(base.path.parent), "gguf_file": base.path.name, **closed}
    return {"pretrained_model_name_or_path": str(base.path), **closed}


@contextlib.contextmanager
def _readable(base: Base) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BadInput(
            f"cannot be read as a causal language model: {first}", place=Place(base.name)
        ) from None
    except ImportError as error:
        raise Unavailable(f"a package is missing: {error}", remedy="pip install 'troth[hf]'") from None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No progress bars of the library's: the faces show one of their own."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        # Reading GGUF has a bar of its own that nothing turns off.
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        if shown:
            logging.enable_progress_bar()
