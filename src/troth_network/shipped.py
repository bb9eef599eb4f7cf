"""The YAML files that the package ships: terms, and words for members to write with."""

from __future__ import annotations

from importlib import resources

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor


class _Words(SafeConstructor):
    """Dates stay text: they are read where they mean something."""


_Words.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


def read(folder: str = "") -> list[dict[str, object]]:
    """The documents of the YAML files in a folder of the package, in the order of the files' names."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Words
    files = (resources.files("troth_network") / folder).iterdir()
    return [
        document
        for file in sorted(files, key=lambda file: file.name)
        if file.name.endswith(".yaml")
        for document in yaml.load_all(file.read_text(encoding="utf-8"))
    ]
