"""A tiny base model with a byte tokenizer, built from its configuration: for tests, demos and first steps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

if TYPE_CHECKING:
    from collections.abc import Sequence

END: Final = "<|end|>"
PAD: Final = "<|pad|>"
_SPREAD: Final = 0.02


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer of bytes: 256 of them, an end of text and a padding; no text was looked at to make it."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {sign: number for number, sign in enumerate(alphabet)}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token=END, pad_token=PAD, clean_up_tokenization_spaces=False
    )


def make_base(folder: Path, *, width: int = 128, layers: int = 2, length: int = 512, seed: int = 0) -> Path:
    """Write an untrained Llama of the given width with a byte tokenizer: 0.36 million parameters by default.

    The weights come from NumPy's PCG64, so the same seed gives the same file everywhere.
    """
    tokenizer = byte_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=max(1, width // 32),
        max_position_embeddings=length,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    model = LlamaForCausalLM(config)
    draw = np.random.Generator(np.random.PCG64(seed))
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if "norm" not in name:
                # Twelve uniforms have the spread of a normal; uniforms are exact arithmetic.
                drawn = draw.random((12, *parameter.shape)).sum(axis=0) - 6
                parameter.copy_(torch.from_numpy((drawn * _SPREAD).astype(np.float32)))
    return _save(model, tokenizer, folder)


def pretrain(
    folder: Path, texts: Sequence[str], *, steps: int, batch: int = 16, length: int = 256, seed: int = 0
) -> float:
    """Train all weights of a tiny base on texts that belong to nobody; gives the last loss (nats per byte).

    Plain training in native arithmetic: what stands in a base is outside what can be taken out.
    """
    model: Any = LlamaForCausalLM.from_pretrained(folder, local_files_only=True)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    joined = [token for text in texts for token in [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]]
    length = min(length, model.config.max_position_embeddings)
    stream = torch.tensor(joined)
    draw = np.random.Generator(np.random.PCG64(seed))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps + 1)
    loss = torch.tensor(0.0)
    for _ in range(steps):
        starts = draw.integers(0, max(1, len(joined) - length), size=batch)
        rows = torch.stack([stream[start : start + length] for start in starts.tolist()])
        loss = model(input_ids=rows, labels=rows).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    _save(model, tokenizer, folder)
    return float(loss.detach())


def _save(model: Any, tokenizer: PreTrainedTokenizerFast, folder: Path) -> Path:  # noqa: ANN401 - types of extras are not read
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
