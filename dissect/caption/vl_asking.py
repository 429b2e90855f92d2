"""Asking a model for log p of texts after something that is the same for all of them: a picture, and a prompt.

What comes before goes through the network once, and the texts follow it, several at a time. That is compared with the plain way, one text
at a time and whole, the first time a model is asked. Where the two differ the plain way is taken, if no word in it sees those after it;
else the model is refused.
Letters: b texts of a pass, l tokens of the longest, P tokens before them, V vocabulary.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from dissect.caption.vl_files import Saved, asking, hushed
from dissect.caption.vl_text import ROWS, FloatArray, Row, TextSide, log_p_of_rows
from dissect.errors import NetworkError

MEMORY = 256 << 20
"""Bytes that the memory of what comes before may take, once for each text of a pass."""
AGREE = 1e-3
"""Nats by which the two ways to ask may differ; float32 differs by less than a tenth of it."""


class Asked(ABC):
    """How texts are scored. What comes before them (a picture, the prompt) goes through the network once, and its memory is shared."""

    saved: Saved
    text: TextSide
    opening = ""
    _anchor = ""
    """What a text is cut after."""
    _follows: bool | None = None
    """Whether texts may follow what went through before; None until tried."""

    def log_p(self, state: Any, texts: Sequence[str]) -> FloatArray:
        """(B,) float64 nats: log p of each text with its end, given a picture's state."""
        rows = self.text.rows(self._anchor, texts, self._used(state))
        if self._follows is None and rows:
            self._follows = self._agrees(state, rows[:2])
        with asking(self.saved.name), hushed():
            return self._following(state, rows) if self._follows else self._plain(state, rows)

    def _agrees(self, state: Any, rows: Sequence[Row]) -> bool:
        """Whether both ways to ask give the same.

        Raises:
            NetworkError: they do not, and neither can be trusted.
        """
        with asking(self.saved.name), hushed():
            plain = self._plain(state, rows)
        try:
            with asking(self.saved.name), hushed():
                if np.abs(self._following(state, rows) - plain).max() < AGREE:
                    return True
        except NetworkError:
            pass  # it keeps nothing that texts could follow
        with asking(self.saved.name), hushed():
            if not self._one_way(state, rows[0][0]):
                raise NetworkError(f"{self.saved.name} is a {self.saved.kind} whose words see those after them; such models give no log p.")
        return False

    def _one_way(self, state: Any, token: int) -> bool:
        """Whether what is read before and after a token stays when another follows."""
        pairs = [torch.tensor([[token, last]], device=self.saved.device) for last in (token, self.text.ends[0])]
        first, second = (self._whole(state, pair)[0, -3:-1].float() for pair in pairs)
        return float((torch.log_softmax(first, 1) - torch.log_softmax(second, 1)).abs().max()) < AGREE

    def _following(self, state: Any, rows: Sequence[Row]) -> FloatArray:
        """What comes before once, then the texts."""
        first = self._begin(state)

        def score(tokens: torch.Tensor) -> torch.Tensor:
            memory = copy.deepcopy(first.past_key_values)
            memory.batch_repeat_interleave(len(tokens))
            after = self._go_on(state, tokens.to(self.saved.device), memory)
            return torch.cat([first.logits[:, -1:].expand(len(tokens), 1, -1), after], dim=1)

        together = max(1, min(ROWS, MEMORY // max(1, _bytes(first.past_key_values))))
        return log_p_of_rows(score, rows, self.text.ends, self.text.pad, together)

    def _plain(self, state: Any, rows: Sequence[Row]) -> FloatArray:
        """Everything at once, one text at a time."""

        def score(tokens: torch.Tensor) -> torch.Tensor:
            return self._whole(state, tokens.to(self.saved.device))[:, -tokens.shape[1] - 1 :]

        return log_p_of_rows(score, rows, self.text.ends, self.text.pad, together=1)

    @abstractmethod
    def _used(self, state: Any) -> int:
        """Tokens that come before a text."""

    @abstractmethod
    def _begin(self, state: Any) -> Any:
        """What the network gives for what comes before: `logits` (1, P, V) and `past_key_values`."""

    @abstractmethod
    def _go_on(self, state: Any, tokens: torch.Tensor, memory: Any) -> torch.Tensor:
        """Logits (b, l, V) after each of tokens (b, l) that follow."""

    @abstractmethod
    def _whole(self, state: Any, tokens: torch.Tensor) -> torch.Tensor:
        """Logits (1, P + l, V) of what comes before and tokens (1, l)."""


def _bytes(memory: Any) -> int:
    """What a row of a network's memory takes."""
    parts = [part for name in ("self_attention_cache", "cross_attention_cache") if (part := getattr(memory, name, None)) is not None]
    tensors = (tensor for part in parts or [memory] for layer in part.layers for tensor in (layer.keys, layer.values))
    return sum(int(tensor.nbytes) for tensor in tensors if isinstance(tensor, torch.Tensor))
