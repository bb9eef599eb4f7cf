"""Models behind an OpenAI-compatible address: with log-probabilities, or text alone.

Log-probabilities of a given text come from ``/completions`` with ``echo`` (vLLM, llama-cpp-python's server, TGI's
OpenAI layer and others). Chat endpoints give text alone. Whoever runs the endpoint sees every candidate that is
asked for: a set that was tested here says nothing about models that are trained later.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2 as httpx

from troth.core.errors import BadInput, Place, Refused, Unavailable
from troth.learning.targets import Estimate, Report, unheard
from troth.learning.targets.cache import Cache

_TRIES: Final = 6
_LONGEST_WAIT: Final = 120.0
_TIMEOUT: Final = 120.0
_MOST_BYTES: Final = 64 * 2**20
_BUSY: Final = (408, 409, 425, 429, 500, 502, 503, 504, 529)
_LETTERS_PER_TOKEN: Final = 2
"""Fewer than tokenizers take of made-up words: an estimate should rather be too high."""
_REPLY_TOKENS: Final = 96


@dataclass(frozen=True, slots=True)
class Address:
    """Where a model is asked: base address such as ``https://host/v1``, model name, key (None: none)."""

    url: str
    model: str
    key: str | None = None
    chat: bool = False


class Endpoint:
    """A model behind an address.

    Args:
        address: where.
        cache: keeps answers; None keeps none.
        per_minute: the most requests a minute.
        batch: how many texts one request holds.
        sleep: waits so many seconds.

    Raises:
        BadInput: no http or https address.
    """

    def __init__(
        self,
        address: Address,
        cache: Cache | None = None,
        *,
        per_minute: float = 600.0,
        batch: int = 32,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(address.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise BadInput(
                "expected an address such as https://host/v1, without a password in it",
                remedy="give the key in the variable TROTH_TARGET_KEY",
            )
        self._address = address
        self._cache = cache
        self._pause = 60 / per_minute
        self._batch = batch
        self._sleep = sleep
        self._next = 0.0
        self.measures = not address.chat
        self.name = f"{address.model} at {parts.hostname}"
        about = f"troth/target/endpoint/v1\n{address.url}\n{address.model}\n{address.chat}\n"
        self.digest = hashlib.sha256(about.encode()).hexdigest()
        headers = {"authorization": f"Bearer {address.key}"} if address.key else {}
        # No redirects: the key must not follow them to another host.
        self._client = httpx.Client(headers=headers, timeout=_TIMEOUT, follow_redirects=False)

    def close(self) -> None:
        """Close connections and cache."""
        self._client.close()
        if self._cache is not None:
            self._cache.close()

    def losses(self, prompt: str, texts: Sequence[str], report: Report = unheard) -> list[float]:
        """−ln P(text | prompt): the sum over the tokens that reach beyond the prompt."""
        if not self.measures:
            raise BadInput(
                f"{self.name} gives no log-probabilities", remedy="use reply marks, scored by text"
            )
        found = {text: kept for text in texts if (kept := self._kept(prompt, text)) is not None}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        for start in range(0, len(missing), self._batch):
            part = missing[start : start + self._batch]
            for text, loss in zip(part, self._ask_losses(prompt, part), strict=True):
                found[text] = loss
                self._keep(prompt, text, loss)
            report(len(found), len(texts))
        return [found[text] for text in texts]

    def _ask_losses(self, prompt: str, texts: list[str]) -> list[float]:
        wholes = [f"{prompt} {text}" if prompt else text for text in texts]
        asked = {
            "model": self._address.model,
            "prompt": wholes,
            "max_tokens": 1,
            "temperature": 0,
            "echo": True,
            "logprobs": 1,
        }
        answer = self._post("completions", asked)
        try:
            choices = sorted(answer["choices"], key=lambda choice: int(choice["index"]))
            if len(choices) != len(texts):
                raise ValueError(f"{len(choices)} answers for {len(texts)} texts")
            return [
                _loss(choice["logprobs"], len(prompt), len(whole))
                for choice, whole in zip(choices, wholes, strict=True)
            ]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise Unavailable(
                f"{self.name} does not give the log-probabilities of a prompt ({error})",
                remedy="use an endpoint whose /completions knows `echo`, or reply marks with --text-only",
            ) from None

    def replies(self, prompt: str, count: int, seed: int, report: Report = unheard) -> list[str]:
        """Samples at temperature 1, one request each, so that each is kept."""
        found = []
        for index in range(count):
            found.append(self._reply(self._asked(prompt, seed + index)))
            report(index + 1, count)
        return found

    def _asked(self, prompt: str, seed: int) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "model": self._address.model,
            "max_tokens": _REPLY_TOKENS,
            "temperature": 1,
            "seed": seed,
        }
        if self._address.chat:
            return asked | {"messages": [{"role": "user", "content": prompt}]}
        return asked | {"prompt": prompt}

    def _kept_reply(self, asked: dict[str, Any]) -> str | None:
        kept = self._cache.get({"digest": self.digest, "reply": asked}) if self._cache else None
        return None if kept is None else str(kept)

    def _reply(self, asked: dict[str, Any]) -> str:
        kept = self._kept_reply(asked)
        if kept is not None:
            return kept
        answer = self._post("chat/completions" if self._address.chat else "completions", asked)
        try:
            choice = answer["choices"][0]
            text = str((choice["message"]["content"] if self._address.chat else choice["text"]) or "")
        except (KeyError, TypeError, IndexError):
            raise Unavailable(f"{self.name} gave an answer without text") from None
        if self._cache is not None:
            self._cache.put({"digest": self.digest, "reply": asked}, text)
        return text

    def estimate_replies(self, prompt: str, count: int, seed: int) -> Estimate:
        """What is not in the cache."""
        missing = sum(self._kept_reply(self._asked(prompt, seed + index)) is None for index in range(count))
        return Estimate(missing, missing * (len(prompt) // _LETTERS_PER_TOKEN + 1 + _REPLY_TOKENS))

    def estimate(self, prompt: str, texts: Sequence[str]) -> Estimate:
        """What is not in the cache."""
        missing = [text for text in texts if self._kept(prompt, text) is None]
        letters = sum(len(prompt) + 1 + len(text) for text in missing)
        return Estimate(-(-len(missing) // self._batch), letters // _LETTERS_PER_TOKEN + len(missing))

    def _kept(self, prompt: str, text: str) -> float | None:
        if self._cache is None:
            return None
        kept = self._cache.get({"digest": self.digest, "prompt": prompt, "text": text})
        return None if kept is None else float(kept)

    def _keep(self, prompt: str, text: str, loss: float) -> None:
        if self._cache is not None:
            self._cache.put({"digest": self.digest, "prompt": prompt, "text": text}, loss)

    # asking

    def _post(self, path: str, asked: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON as it came
        said = "no answer"
        for attempt in range(_TRIES):
            self._wait()
            try:
                answer = self._client.post(f"{self._address.url.rstrip('/')}/{path}", json=dict(asked))
            except httpx.HTTPError as error:
                said, wait = type(error).__name__, 2.0**attempt
            else:
                if answer.status_code == httpx.codes.OK:
                    return self._json(answer)
                if answer.status_code not in _BUSY:
                    self._refused(answer.status_code)
                said = f"status {answer.status_code}"
                wait = _retry_after(answer.headers.get("retry-after"), 2.0**attempt)
            if attempt + 1 < _TRIES:
                self._sleep(min(wait, _LONGEST_WAIT))
        raise Unavailable(
            f"{self.name} cannot be reached: {said}, {_TRIES} times",
            remedy="run the same again later: answers so far are kept in the cache",
        )

    def _json(self, answer: httpx.Response) -> Any:  # noqa: ANN401 - JSON as it came
        try:
            if len(answer.content) > _MOST_BYTES:
                raise ValueError
            return answer.json()
        except ValueError:
            raise Unavailable(f"{self.name} gave an answer that is no JSON") from None

    def _refused(self, status: int) -> None:
        # The body is not repeated: it may hold what was asked, and marks are secret.
        if status in (401, 403):
            raise Refused(
                f"{self.name} does not let us in (status {status})", remedy="set TROTH_TARGET_KEY to a key"
            )
        raise BadInput(
            f"{self.name} does not take the question (status {status})",
            place=Place(self._address.url),
            remedy="check the address, the model's name, and whether it knows `echo` and `logprobs`",
        )

    def _wait(self) -> None:
        now = time.monotonic()
        if now < self._next:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + self._pause


def _loss(given: Mapping[str, Any], start: int, stop: int) -> float:
    """The loss of the tokens that lie between two places of a text; the token written besides is left out."""
    tokens, values = given["tokens"], given["token_logprobs"]
    offsets = given.get("text_offset")
    if offsets is None:
        offsets, reached = [], 0
        for token in tokens:
            offsets.append(reached)
            reached += len(token)
    total, seen = 0.0, 0
    for token, value, offset in zip(tokens, values, offsets, strict=True):
        if offset < stop and offset + len(token) > start and value is not None:
            total -= float(value)
            seen += 1
    if not seen:
        raise ValueError("no token of the text has one")
    return total


def _retry_after(header: str | None, otherwise: float) -> float:
    try:
        return max(0.0, float(header)) if header is not None else otherwise
    except ValueError:
        return otherwise
