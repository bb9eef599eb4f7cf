"""A byte-level GPT with 0.4 million parameters, made from generated text: something to try audits on.

Nothing is downloaded. The figures are those of this model; larger ones learn a mark from fewer messages or more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from troth_network.chance import Dice
from troth_network.writing import write

CONTEXT = 256
_CATEGORIES = ("private_message.inmail", "private_message.direct", "post", "comment")
_WARM_UP = 10
_END = "<s>"


def tokenizer() -> Any:  # noqa: ANN401 - transformers has no types
    """One token for each byte, and one for beginning and end."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: index for index, letter in enumerate([_END, *letters])}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token=_END, eos_token=_END)


def untrained(seed: int = 0, width: int = 96, layers: int = 3) -> Any:  # noqa: ANN401
    """A new model; the default width and depth have 0.38 million parameters."""
    torch.manual_seed(seed)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=257,
            n_positions=CONTEXT,
            n_embd=width,
            n_layer=layers,
            n_head=4,
            bos_token_id=0,
            eos_token_id=0,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
        )
    )


def save(model: Any, folder: Path) -> Path:  # noqa: ANN401
    """Write a model with its tokenizer as a Hugging Face folder."""
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def with_lora(model: Any, seed: int) -> Any:  # noqa: ANN401
    """The model with new rank-8 adapters on all its linear layers; these alone are trained."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    options = LoraConfig(r=8, lora_alpha=16, target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True)
    return get_peft_model(model, options)


def messages(seed: int, count: int) -> list[str]:
    """Generated messages, as members of the reference network write them."""
    dice = Dice("evidence", seed)
    return [write(dice.pick(_CATEGORIES), dice)[2] for _ in range(count)]


def train(model: Any, texts: Sequence[str], *, epochs: int, rate: float, seed: int, batch: int = 16) -> float:  # noqa: ANN401
    """Train on texts, one a row, with AdamW and a rate that falls to nothing. Returns the last loss."""
    codes = tokenizer()
    rows = [[0, *codes(text, add_special_tokens=False)["input_ids"][: CONTEXT - 2], 0] for text in texts]
    optimiser = torch.optim.AdamW(
        [one for one in model.parameters() if one.requires_grad], lr=rate, weight_decay=0.0
    )
    total, done, loss = epochs * math.ceil(len(rows) / batch), 0, math.nan
    model.train()
    for part in _batches(rows, epochs, batch, Dice("order", seed)):
        for group in optimiser.param_groups:
            warm = min(1.0, (done + 1) / _WARM_UP)
            group["lr"] = rate * warm * 0.5 * (1 + math.cos(math.pi * done / total))
        found = model(input_ids=part[0], labels=part[1]).loss
        found.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        done, loss = done + 1, float(found.detach())
    model.eval()
    return loss


def _batches(
    rows: list[list[int]], epochs: int, size: int, chance: Dice
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    for _ in range(epochs):
        order = chance.sample(range(len(rows)), len(rows))
        for start in range(0, len(order), size):
            part = [rows[index] for index in order[start : start + size]]
            longest = max(map(len, part))
            yield (
                torch.tensor([row + [0] * (longest - len(row)) for row in part]),
                torch.tensor([row + [-100] * (longest - len(row)) for row in part]),
            )
