"""Causal language models and PEFT adapters in folders, and models in GGUF files, from this machine alone.

Nothing is downloaded and no code of a folder is run: weights are safetensors, remote code is off.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from troth.core.errors import BadInput, Place
from troth.learning.lora.base import quiet
from troth.learning.targets import Estimate, Report, unheard

_NUMBERS: Final = 1 << 24
"""How many logits are held at once."""
_MOST: Final = 128
_REPLY_TOKENS: Final = 96


class Local:
    """A model in a folder.

    Args:
        folder: a causal language model with its tokenizer, or a PEFT adapter whose base is a folder too; or a
            ``.gguf`` file, which holds both.
        tokenizer: the folder of the tokenizer, where the model's has none.
        bare: of an adapter: its base without the adapter, as a reference.

    Raises:
        BadInput: no such model, weights that are not safetensors, or the ``hf`` extra is missing.
    """

    measures = True

    def __init__(self, folder: Path, *, tokenizer: Path | None = None, bare: bool = False) -> None:
        self.name = f"{folder.name} without its adapter" if bare else folder.name
        self._folder = folder
        base = check_folder(folder)
        self.digest = digest_of([base] if bare else [folder, base])
        try:
            import torch
            from safetensors import SafetensorError
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ImportError:
            raise BadInput(
                "reading models from folders needs the extra `hf`", remedy="pip install 'troth[hf]'"
            ) from None
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        words = tokenizer or (folder if _has_tokenizer(folder) else base)
        try:
            with quiet():
                self._tokenizer = AutoTokenizer.from_pretrained(**_source(words), **options)
                model = AutoModelForCausalLM.from_pretrained(
                    **_source(base), use_safetensors=True, dtype=torch.float32, **options
                )
            if base != folder and not bare:
                from peft import PeftModel

                model = PeftModel.from_pretrained(model, folder, local_files_only=True)
        except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
            raise BadInput(
                f"cannot be read as a model: {str(error).splitlines()[0]}",
                place=Place(str(folder)),
                remedy="name a folder with config.json, model.safetensors and a tokenizer",
            ) from None
        self._torch = torch
        self._model = model.eval()

    def losses(self, prompt: str, texts: Sequence[str], report: Report = unheard) -> list[float]:
        """−ln P(text | prompt), text and prompt tokenised apart so that the prompt is the same for all."""
        given = self._prompt(prompt)
        coded = [self._codes(" " + text if prompt else text) for text in texts]
        if len(given) + max(map(len, coded), default=0) > self._longest:
            raise BadInput(
                f"{self.name} reads at most {self._longest} tokens; a prompt with its mark has more",
                remedy="test another model: this one cannot have read a whole marked sentence",
            )
        # Long ones together: little is padding. The order of the answers is that of the texts.
        order = sorted(range(len(texts)), key=lambda index: len(coded[index]))
        found = [0.0] * len(texts)
        start = 0
        while start < len(order):
            longest = len(given) + len(coded[order[min(start + _MOST, len(order)) - 1]])
            width = max(1, min(_MOST, _NUMBERS // (longest * self._vocabulary)))
            part = order[start : start + width]
            for index, loss in zip(part, self._batch(given, [coded[one] for one in part]), strict=True):
                found[index] = loss
            start += len(part)
            report(start, len(order))
        return found

    def _batch(self, given: list[int], texts: list[list[int]]) -> list[float]:
        torch = self._torch
        longest = max(map(len, texts))
        # What follows a text in its row changes nothing before it: attention looks back only.
        rows = torch.tensor([given + text + [0] * (longest - len(text)) for text in texts])
        keep = torch.tensor([[1.0] * len(text) + [0.0] * (longest - len(text)) for text in texts])
        with torch.inference_mode():
            logits = self._logits(given, rows)
            wanted = rows[:, len(given) :, None]
            losses = torch.logsumexp(logits, -1) - logits.gather(-1, wanted)[..., 0]
            sums = (losses.double() * keep).sum(1)
        return [float(one) for one in sums]

    def _logits(self, given: list[int], rows: Any) -> Any:  # noqa: ANN401 - torch is imported late
        """The logits that foretell what follows the prompt. The prompt is read once for a whole batch."""
        torch, last = self._torch, len(given) - 1
        if last:
            from transformers.cache_utils import DynamicCache

            kept = self._model(input_ids=torch.tensor([given[:-1]]), use_cache=True).past_key_values
            if isinstance(kept, DynamicCache):
                kept.batch_repeat_interleave(len(rows))
                return self._model(input_ids=rows[:, last:-1], past_key_values=kept).logits.float()
        return self._model(input_ids=rows[:, :-1]).logits[:, last:].float()

    def replies(self, prompt: str, count: int, seed: int, report: Report = unheard) -> list[str]:
        """Samples at temperature 1, at most 96 tokens each."""
        torch = self._torch
        rows = torch.tensor([self._prompt(prompt)]).repeat(count, 1)
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            torch.manual_seed(seed)
            written = self._model.generate(
                input_ids=rows,
                attention_mask=torch.ones_like(rows),
                do_sample=True,
                temperature=1.0,
                top_k=0,
                top_p=1.0,
                max_new_tokens=_REPLY_TOKENS,
                pad_token_id=0,
            )
        report(count, count)
        return [
            str(self._tokenizer.decode(row[rows.shape[1] :], skip_special_tokens=True)) for row in written
        ]

    def token_scores(
        self, text: str, most: int | None = None
    ) -> tuple[list[float], list[float], list[float]]:
        """For each token of a text that is read: its loss, the entropy at its place, the spread of ln P there.

        Args:
            text: the text; what comes before it is the token that begins texts.
            most: tokens that are read, at most; None: as many as the model reads.
        """
        torch = self._torch
        longest = self._longest if most is None else min(self._longest, most + 1)
        row = torch.tensor([self._prompt(text)[:longest]])
        with torch.inference_mode():
            logs = torch.log_softmax(self._model(input_ids=row).logits[0, :-1].double(), -1)
            chances = logs.exp()
            mean = (chances * logs).sum(-1)
            spread = (chances * (logs - mean[:, None]) ** 2).sum(-1).sqrt()
            losses = -logs.gather(-1, row[0, 1:, None])[:, 0]
        return losses.tolist(), (-mean).tolist(), spread.tolist()

    def estimate(self, prompt: str, texts: Sequence[str]) -> Estimate:
        """Tokens of all texts with their prompt, from a sample of them."""
        given, some = len(self._prompt(prompt)), texts[:64]
        return Estimate(0, sum(given + len(self._codes(text)) for text in some) * len(texts) // len(some))

    def estimate_replies(self, prompt: str, count: int, seed: int) -> Estimate:
        """Nothing is asked of anybody; what is read and written."""
        del seed
        return Estimate(0, count * (len(prompt) + _REPLY_TOKENS))

    def close(self) -> None:
        """Nothing is open."""

    @property
    def _vocabulary(self) -> int:
        return int(self._model.config.vocab_size)

    @property
    def _longest(self) -> int:
        """How many tokens the model reads; very many, where its configuration does not say."""
        return int(getattr(self._model.config, "max_position_embeddings", None) or 2**31)

    def _codes(self, text: str) -> list[int]:
        return [int(one) for one in self._tokenizer(text, add_special_tokens=False)["input_ids"]]

    def _prompt(self, prompt: str) -> list[int]:
        start = self._tokenizer.bos_token_id
        if start is None:
            start = self._tokenizer.eos_token_id
        return [0 if start is None else int(start), *self._codes(prompt)]


def check_folder(folder: Path) -> Path:
    """The folder of the base: the folder itself, or what an adapter names.

    Raises:
        BadInput: it holds no model.
    """
    if (folder / "config.json").is_file() or (folder.is_file() and folder.suffix == ".gguf"):
        return folder
    adapter = folder / "adapter_config.json"
    if adapter.is_file():
        try:
            named = json.loads(adapter.read_text("utf-8")).get("base_model_name_or_path")
        except (ValueError, AttributeError, OSError):
            named = None
        for base in (Path(str(named)), folder / str(named)):
            if named and (base / "config.json").is_file():
                return base
        raise BadInput(
            f"the adapter's base {named!r} is no folder here",
            place=Place(str(adapter)),
            remedy="write the base's folder into base_model_name_or_path",
        )
    raise BadInput(
        "holds no model",
        place=Place(str(folder)),
        remedy="name a folder with config.json, a .gguf file, or an address",
    )


def digest_of(folders: Sequence[Path]) -> str:
    """SHA-256 (hex) over the names and digests of the files of folders; one folder twice counts once.

    A file counts as a folder that holds it alone.
    """
    whole = hashlib.sha256(b"troth/target/folder/v1\n")
    for folder in dict.fromkeys(folders):
        inside = folder.parent if folder.is_file() else folder
        for path in (
            [folder] if folder.is_file() else sorted(one for one in folder.rglob("*") if one.is_file())
        ):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            whole.update(f"{path.relative_to(inside).as_posix()} {digest}\n".encode())
    return whole.hexdigest()


def _source(place: Path) -> dict[str, Any]:
    if place.is_file():
        return {"pretrained_model_name_or_path": str(place.parent), "gguf_file": place.name}
    return {"pretrained_model_name_or_path": str(place)}


def _has_tokenizer(folder: Path) -> bool:
    return (folder / "tokenizer_config.json").is_file()
