"""log p(d) beside a model that was not made by us: of a causal language model, or the mean of p(d | E_u) over the units.

A foreign language model cuts texts its own way and was trained on other texts than the captioner, so what it gives is no mutual
information: such scores are called LM-penalised. The mean over units is the captioner's own p(d) over these exemplars.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.special import logsumexp

from dissect.caption.vl_files import Saved, asking, end_tokens, hushed, token_limit
from dissect.caption.vl_text import FloatArray, TextSide, log_p_of_rows
from dissect.errors import CheckpointError, NetworkError

SAME = 1e-3
"""Nats by which a token's log-probability may differ when other tokens follow it."""


class CausalPrior:
    """log p(d) of a language model, of a text after `before`, with its end.

    Raises:
        CheckpointError: its files name no token that begins a text. NetworkError: it sees what comes after a token.
    """

    def __init__(self, saved: Saved) -> None:
        ends = end_tokens(saved)
        own = (saved.tokenizer.bos_token_id, saved.config.bos_token_id, saved.tokenizer.cls_token_id)
        start = next((int(number) for number in own if number is not None), ends[0])
        self.saved = saved
        self.text = TextSide(saved.name, saved.tokenizer, (start,), ends, token_limit(saved.config), int(saved.config.vocab_size))
        if not 0 <= start < self.text.vocabulary:
            raise CheckpointError(f"{saved.folder} begins texts with token {start}, which its network does not know. Mend its config.json.")
        self._refuse_both_ways()

    def log_p(self, texts: Sequence[str], before: str = "") -> FloatArray:
        """(B,) float64 nats of texts. before: what stands in front of each and is not counted."""
        front = (*self.text.start, *(self.text.cut(before) if before else ()))
        rows = self.text.rows(before, texts, len(front))

        def score(tokens: torch.Tensor) -> torch.Tensor:
            whole = torch.cat([torch.tensor(front).expand(len(tokens), -1), tokens], dim=1)
            return self._logits(whole)[:, len(front) - 1 :]

        with asking(self.saved.name), hushed():
            return log_p_of_rows(score, rows, self.text.ends, self.text.pad)

    def _logits(self, tokens: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.saved.module(input_ids=tokens.to(self.saved.device), use_cache=False).logits
        return logits

    def _refuse_both_ways(self) -> None:
        """A network such as BERT loads as a language model, and reads each token with all others in view."""
        last = min(2, self.text.vocabulary - 1)
        pair = torch.tensor([[*self.text.start, 0, 0], [*self.text.start, 0, last]])
        with asking(self.saved.name), hushed():
            log_p = torch.log_softmax(self._logits(pair)[:, 1].float(), dim=1)
        if float((log_p[0] - log_p[1]).abs().max()) > SAME:
            raise NetworkError(
                f"{self.saved.name} is a {self.saved.kind} that sees the words after each word too, so it gives no log p(d). "
                "Name a causal language model such as GPT-2."
            )


def marginal(scores: FloatArray) -> FloatArray:
    """(C,) log of the mean of p(d | E_u) over units. scores (U, C) log p(d | E_u) in nats, U at least 1."""
    mean: FloatArray = logsumexp(scores, axis=0) - np.log(len(scores))
    return mean
