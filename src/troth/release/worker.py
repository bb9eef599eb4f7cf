"""A helper process of a seal: ``python -m troth.release.worker`` (see ``troth.release.workers``).

``part FILE RELEASE`` reads an Arrow stream of records from its input and writes a data file.
``chunks FILE START STOP`` hashes leaves START to STOP of a file of leaves.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import BinaryIO

from troth.core.errors import BadInput
from troth.core.merkle import HASH_BYTES, chunk_roots


def main(arguments: list[str], source: BinaryIO, target: BinaryIO) -> None:
    """Do one job; what goes wrong is said in the first line of the output."""
    try:
        if arguments[0] == "chunks":
            path, start, stop = arguments[1:]
            target.write(_chunks(Path(path), int(start), int(stop)))
        else:
            _part(Path(arguments[1]), arguments[2], source, target)
    except BadInput as error:
        _answer(target, {"bad": error.message, "remedy": error.remedy})
    except OSError as error:
        _answer(target, {"failed": error.strerror or str(error)})


def _answer(target: BinaryIO, head: dict[str, object]) -> None:
    target.write(json.dumps(head).encode() + b"\n")


def _part(path: Path, release: str, source: BinaryIO, target: BinaryIO) -> None:
    import pyarrow as pa

    from troth.release.part import Part

    pa.set_cpu_count(1)
    part = Part(path, release)
    with pa.ipc.open_stream(pa.PythonFile(source, "r")) as stream:
        for batch in stream:
            names = batch.schema.names
            drawn = batch[names.index("drawn")] if "drawn" in names else None
            part.add(batch)
    written = part.close()
    sink = pa.BufferOutputStream()
    names = written.parties
    with pa.ipc.new_stream(sink, pa.schema([("party", pa.string())])) as out:
        out.write_batch(pa.record_batch([names], ["party"]))
    parties = sink.getvalue()
    _answer(
        target,
        {
            "rows": written.rows,
            "bytes": written.bytes,
            "sha256": written.sha256,
            "derived": written.derived,
        },
    )
    target.write(written.leaves)
    target.write(parties)


def _chunks(path: Path, start: int, stop: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start * HASH_BYTES)
        return chunk_roots(file.read((stop - start) * HASH_BYTES))


if __name__ == "__main__":
    main(sys.argv[1:], sys.stdin.buffer, sys.stdout.buffer)
    sys.stdout.buffer.flush()
    os._exit(0)
