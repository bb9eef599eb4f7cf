from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model of one layer with a byte tokenizer, never trained."""
    import torch

    from troth.learning.lora.tiny import make_base

    torch.set_num_threads(1)
    return make_base(tmp_path_factory.mktemp("base"), width=32, layers=1, length=128)
