"""The captioner of the published family: an LSTM that attends to a unit's exemplars (Show, Attend and Tell).

    h, c = tanh(linear(mean key))                      the state before the first word
    alpha = softmax(w . tanh(A h + B key))             additive attention over the keys that are there
    context = sigmoid(G h) * sum alpha key             gated
    h, c = LSTM cell of [embedding of the last word, context]
    log p(next) = log softmax(O dropout(h))

    loss = mean over words of -log p(word) + mean over keys of (1 - sum over steps of alpha)^2

Words are those of the text and the stop; steps after the stop count in neither part, so that a text's loss does not depend on the
longest one of its batch. Keys that are not there (empty mask, fewer exemplars) are in no mean and get no attention; a unit without any
key begins from a mean key of zeros and its context is zero. Letters: B rows, U units, k keys, F features, E embedding, H hidden,
V vocabulary, T steps.
Sources: Xu et al. 2015, "Show, Attend and Tell", eq. 4 to 14; Hernandez et al. 2022, section 3.2 for the sizes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import nn
from torch.nn import functional

from dissect.caption.features import Keys
from dissect.caption.scores import State, parted
from dissect.caption.tokens import Vocabulary
from dissect.errors import ShapeError, UsageError


@dataclass(frozen=True)
class DecoderSizes:
    """features: F of a key. attention: width of the attention's hidden layer, 0 for the smaller of hidden and features. dropout: of h
    before the output."""

    features: int
    embedding: int = 128
    hidden: int = 512
    attention: int = 0
    dropout: float = 0.5

    def __post_init__(self) -> None:
        if min(self.features, self.embedding, self.hidden) < 1 or self.attention < 0 or not 0 <= self.dropout < 1:
            raise UsageError(f"{self} is no captioner. Sizes are 1 or more, dropout is in [0, 1).")

    @property
    def attended(self) -> int:
        """Width of the attention's hidden layer."""
        return self.attention or min(self.hidden, self.features)

    def plain(self) -> dict[str, object]:
        """The sizes for JSON."""
        return asdict(self)


class CaptionDecoder(nn.Module):
    """See the module's text. `over` binds it to units; `loss` is what training lowers."""

    def __init__(self, vocabulary: Vocabulary, sizes: DecoderSizes) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.sizes = sizes
        self.first_hidden = nn.Linear(sizes.features, sizes.hidden)
        self.first_cell = nn.Linear(sizes.features, sizes.hidden)
        self.embedding = nn.Embedding(len(vocabulary), sizes.embedding)
        self.query = nn.Linear(sizes.hidden, sizes.attended)
        self.key = nn.Linear(sizes.features, sizes.attended)
        self.energy = nn.Linear(sizes.attended, 1)
        self.gate = nn.Linear(sizes.hidden, sizes.features)
        self.cell = nn.LSTMCell(sizes.embedding + sizes.features, sizes.hidden)
        self.dropout = nn.Dropout(sizes.dropout)
        self.output = nn.Linear(sizes.hidden, len(vocabulary))

    def first_state(self, keys: torch.Tensor, present: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """h and c (B, H) of keys (B, k, F) and their presence (B, k)."""
        weight = present.to(keys.dtype)
        mean = (keys * weight[:, :, None]).sum(dim=1) / weight.sum(dim=1, keepdim=True).clamp_min(1)
        return torch.tanh(self.first_hidden(mean)), torch.tanh(self.first_cell(mean))

    def attend(self, hidden: torch.Tensor, key_hidden: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """(B, r, k) attention of r rows each, hidden (B, r, H), to key_hidden (B, k, A) = `key` of the keys, presence (B, k).

        Sums to 1 over the keys that are there; all 0 where there is none.
        """
        energy = self.energy(torch.tanh(self.query(hidden)[:, :, None] + key_hidden[:, None])).squeeze(3)
        alpha = torch.softmax(energy.masked_fill(~present[:, None], torch.finfo(energy.dtype).min), dim=2)
        return alpha * present[:, None]

    def advance(
        self,
        tokens: torch.Tensor,
        hidden: torch.Tensor,
        cell: torch.Tensor,
        keys: torch.Tensor,
        key_hidden: torch.Tensor,
        present: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """One step of B groups of r rows that share their keys. tokens (B r,), hidden and cell (B r, H); keys (B, k, F).

        Gives the new h and c, and the attention (B, r, k).
        """
        groups = len(keys)
        alpha = self.attend(hidden.reshape(groups, -1, self.sizes.hidden), key_hidden, present)
        context = torch.bmm(alpha, keys).reshape(len(tokens), self.sizes.features) * torch.sigmoid(self.gate(hidden))
        hidden, cell = self.cell(torch.cat([self.embedding(tokens), context], dim=1), (hidden, cell))
        return hidden, cell, alpha

    def forward(self, keys: torch.Tensor, present: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities (B, T, V) of every next word of rows (B, T + 1) (start, words, stop, pad), and the attention (B, T, k)."""
        states, attention = self._walk(keys, present, rows)
        return functional.log_softmax(self.output(self.dropout(states)), dim=2), attention

    def _walk(self, keys: torch.Tensor, present: torch.Tensor, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """h after every step (B, T, H), and the attention (B, T, k)."""
        hidden, cell = self.first_state(keys, present)
        key_hidden = self.key(keys)
        states, attention = [], []
        for place in range(rows.shape[1] - 1):
            hidden, cell, alpha = self.advance(rows[:, place], hidden, cell, keys, key_hidden, present)
            states.append(hidden)
            attention.append(alpha.squeeze(1))
        return torch.stack(states, dim=1), torch.stack(attention, dim=1)

    def loss(self, keys: torch.Tensor, present: torch.Tensor, rows: torch.Tensor, weight: float = 1.0) -> torch.Tensor:
        """The loss of the module's text, a mean over B texts' words and present keys. weight: of its second part."""
        states, attention = self._walk(keys, present, rows)
        real = rows[:, 1:] != self.vocabulary.pad
        nll = functional.cross_entropy(self.output(self.dropout(states[real])), rows[:, 1:][real])
        spread = (1 - (attention * real[:, :, None]).sum(dim=1)) ** 2
        total: torch.Tensor = nll + weight * (spread * present).sum() / present.sum().clamp_min(1)
        return total

    def over(self, keys: Keys) -> BoundCaptioner:
        """A `Captioner` of these units, in evaluation mode.

        Raises:
            ShapeError: the keys have another number of features.
        """
        if keys.values.shape[2] != self.sizes.features:
            raise ShapeError(f"keys of {keys.values.shape[2]} features for a captioner of {self.sizes.features}. Use its feature recipe.")
        return BoundCaptioner(self, keys)


class BoundCaptioner:
    """A decoder with the keys of U units: what `describe` takes. Rows of one unit that stand together share its keys' products."""

    def __init__(self, decoder: CaptionDecoder, keys: Keys) -> None:
        device = decoder.output.weight.device
        self.decoder = decoder.eval()
        self._keys = torch.from_numpy(keys.values).to(device)
        self._present = torch.from_numpy(keys.present).to(device)
        with torch.inference_mode():
            parts = [decoder.key(part) for part in parted(self._keys, 64)]
        self._key_hidden = torch.cat(parts) if parts else self._keys.new_zeros((0, keys.values.shape[1], decoder.sizes.attended))

    @property
    def vocabulary(self) -> Vocabulary:
        return self.decoder.vocabulary

    @property
    def units(self) -> int:
        return len(self._keys)

    def begin(self, units: torch.Tensor) -> State:
        """See `Captioner`. The state: unit (B,), h and c (B, H)."""
        units = units.to(self._keys.device)
        group, back = torch.unique(units, return_inverse=True)
        with torch.inference_mode():
            hidden, cell = self.decoder.first_state(self._keys[group], self._present[group])
        return units, hidden[back], cell[back]

    def step(self, tokens: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """See `Steps`."""
        units, hidden, cell = state
        group = _groups(units)
        with torch.inference_mode():
            hidden, cell, _ = self.decoder.advance(
                tokens.to(units.device), hidden, cell, self._keys[group], self._key_hidden[group], self._present[group]
            )
            log_p = functional.log_softmax(self.decoder.output(hidden), dim=1)
        return log_p, (units, hidden, cell)


def _groups(units: torch.Tensor) -> torch.Tensor:
    """One number for each run of equal ones, if all runs are equally long (as in a search); else the numbers as they are."""
    runs, counts = torch.unique_consecutive(units, return_counts=True)
    return runs if len(runs) and bool((counts == counts[0]).all()) else units
