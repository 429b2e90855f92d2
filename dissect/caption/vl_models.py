"""Models that see one picture at a time and write: log p(text | picture), and texts they propose themselves.

    BLIP, vision-encoder-decoders    look at a picture once and give its states; texts are read beside those
    GIT                              picture and text are one sequence; the prompt opens the text
    image-text-to-text               (LLaVA, SmolVLM, Idefics, Qwen-VL ...) the same, with the prompt as a question in the model's own form

Letters: T states of a picture, D numbers of each, P tokens before a text, L tokens of a text, V vocabulary.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from PIL import Image

from dissect.caption.vl_asking import Asked
from dissect.caption.vl_files import Saved, asking, end_tokens, hushed, token_limit
from dissect.caption.vl_text import FloatArray, Row, TextSide
from dissect.errors import CheckpointError, NetworkError, UsageError

QUESTION = "Describe what is shown here in a few words."
"""Asked of a model that answers questions, unless told otherwise."""
PICTURES = 8
"""Pictures a pass, where they can go together."""


class PictureModel(Protocol):
    """What describing needs of a model. A picture's `state` is whatever the model makes of it once; it is only handed back."""

    @property
    def text(self) -> TextSide: ...

    @property
    def opening(self) -> str:
        """Text before every description that the model treats as part of it; empty where the prompt is a question."""
        ...

    def look(self, pictures: Sequence[Image.Image]) -> list[Any]:
        """A state for each RGB picture."""
        ...

    def log_p(self, state: Any, texts: Sequence[str]) -> FloatArray:
        """(B,) float64 nats: log p of each text with its end, given a picture."""
        ...

    def propose(self, states: Sequence[Any], count: int, length: int) -> list[list[str]]:
        """For each picture at most `count` different texts of at most `length` tokens, by beam search, the most probable first."""
        ...


def picture_model(saved: Saved, prompt: str | None = None) -> PictureModel:
    """The model of a saved one. prompt: what every description begins with, or the question; None: none, or `QUESTION`.

    Raises:
        NetworkError: its kind cannot be asked here. CheckpointError: its files name no start or end of a text.
    """
    if saved.kind == "blip":
        return Blip(saved, prompt or "")
    if saved.kind == "vision-encoder-decoder":
        return EncoderDecoder(saved, prompt or "")
    if saved.kind == "git":
        return Git(saved, prompt or "")
    if getattr(saved.config, "is_encoder_decoder", False) or getattr(saved.config.get_text_config(), "is_encoder_decoder", False):
        raise NetworkError(
            f"{saved.name} is a {saved.kind}, whose text goes through an encoder of its own; such models cannot be asked here. "
            "Name a BLIP, GIT, vision-encoder-decoder, or an image-text-to-text model that writes from left to right."
        )
    return Answering(saved, QUESTION if prompt is None else prompt)


class _Looking(Asked):
    """What models with an encoder for pictures and a decoder for text share: states (T, D) of a picture, and texts beside them."""

    def __init__(self, saved: Saved, writes: Any, prompt: str, start: int, ends: Row) -> None:
        """writes: the configuration of the part that writes."""
        limit = token_limit(writes)
        self.saved, self.opening, self._anchor = saved, prompt, prompt
        self.text = TextSide(saved.name, saved.tokenizer, (start,), ends, limit, int(writes.vocab_size))
        self._before = (start, *(self.text.cut(prompt) if prompt else ()))
        if limit is not None and len(self._before) >= limit:
            raise UsageError(f"--prompt has {len(self._before)} tokens, and {saved.name} takes {limit}. Shorten it.")

    def look(self, pictures: Sequence[Image.Image]) -> list[torch.Tensor]:
        """See `PictureModel`."""
        states: list[torch.Tensor] = []
        for first in range(0, len(pictures), PICTURES):
            with asking(self.saved.name), hushed():
                pixels = _pixels(self.saved, pictures[first : first + PICTURES])
                states += list(self._encode(pixels))
        return states

    def _used(self, state: torch.Tensor) -> int:
        return len(self._before)

    def _begin(self, state: torch.Tensor) -> Any:
        return self._decode(torch.tensor([self._before], device=self.saved.device), state[None], None)

    def _go_on(self, state: torch.Tensor, tokens: torch.Tensor, memory: Any) -> torch.Tensor:
        logits: torch.Tensor = self._decode(tokens, state.expand(len(tokens), *state.shape), memory).logits
        return logits

    def _whole(self, state: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        before = torch.tensor([self._before], device=self.saved.device)
        logits: torch.Tensor = self._decode(torch.cat([before, tokens], dim=1), state[None], None).logits
        return logits

    def propose(self, states: Sequence[torch.Tensor], count: int, length: int) -> list[list[str]]:
        """See `PictureModel`."""
        found: list[list[str]] = []
        room = length if self.text.limit is None else min(length, self.text.limit - len(self._before))
        for first in range(0, len(states), PICTURES):
            some = torch.stack(list(states[first : first + PICTURES]))
            before = torch.tensor(self._before, device=self.saved.device).expand(len(some), -1)
            with asking(self.saved.name), hushed():
                rows = self._generate(before, some, _search(self.text, count, room))
            found += _texts(self.text, rows[:, len(self._before) :].tolist(), count, self.opening, len(self._before))
        return found

    @abstractmethod
    def _encode(self, pixels: torch.Tensor) -> torch.Tensor: ...

    @abstractmethod
    def _decode(self, tokens: torch.Tensor, states: torch.Tensor, memory: Any) -> Any: ...

    @abstractmethod
    def _generate(self, tokens: torch.Tensor, states: torch.Tensor, search: dict[str, Any]) -> torch.Tensor: ...


class Blip(_Looking):
    """BLIP for captions (Li et al. 2022). A text begins with its decoder's own sign and ends with the separator."""

    def __init__(self, saved: Saved, prompt: str) -> None:
        text = saved.config.text_config
        if text.bos_token_id is None or text.sep_token_id is None:
            raise CheckpointError(f"{saved.folder / 'config.json'}: text_config names no bos_token_id and sep_token_id. Complete it.")
        super().__init__(saved, text, prompt, int(text.bos_token_id), (int(text.sep_token_id),))

    def _encode(self, pixels: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = self.saved.module.vision_model(pixel_values=pixels).last_hidden_state
        return states

    def _decode(self, tokens: torch.Tensor, states: torch.Tensor, memory: Any) -> Any:
        return self.saved.module.text_decoder(input_ids=tokens, encoder_hidden_states=states, past_key_values=memory, use_cache=True)

    def _generate(self, tokens: torch.Tensor, states: torch.Tensor, search: dict[str, Any]) -> torch.Tensor:
        seen = torch.ones(states.shape[:2], dtype=torch.long, device=states.device)
        rows: torch.Tensor = self.saved.module.text_decoder.generate(
            input_ids=tokens, encoder_hidden_states=states, encoder_attention_mask=seen, **search
        )
        return rows


class EncoderDecoder(_Looking):
    """A vision encoder and a text decoder joined by cross-attention, such as ViT and GPT-2."""

    def __init__(self, saved: Saved, prompt: str) -> None:
        sources = (getattr(saved.module, "generation_config", None), saved.config)
        start = next((n for source in sources if (n := getattr(source, "decoder_start_token_id", None)) is not None), None)
        start = getattr(saved.config.decoder, "bos_token_id", None) if start is None else start
        if start is None:
            raise CheckpointError(f"{saved.folder / 'config.json'} names no decoder_start_token_id. Add it.")
        super().__init__(saved, saved.config.decoder, prompt, int(start), end_tokens(saved))

    def _encode(self, pixels: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = self.saved.module.encoder(pixel_values=pixels).last_hidden_state
        return states

    def _decode(self, tokens: torch.Tensor, states: torch.Tensor, memory: Any) -> Any:
        return self.saved.module(decoder_input_ids=tokens, encoder_outputs=(states,), past_key_values=memory, use_cache=True)

    def _generate(self, tokens: torch.Tensor, states: torch.Tensor, search: dict[str, Any]) -> torch.Tensor:
        from transformers.modeling_outputs import BaseModelOutput

        seen = BaseModelOutput(last_hidden_state=states)
        rows: torch.Tensor = self.saved.module.generate(encoder_outputs=seen, decoder_input_ids=tokens, **search)
        return rows


class _Joint(Asked):
    """What models share that take picture and text as one sequence. A picture's state is what goes in before the texts."""

    def __init__(self, saved: Saved, start: Row, before: str) -> None:
        text = saved.config.get_text_config(decoder=True)
        self.saved, self._anchor = saved, before
        self.text = TextSide(saved.name, saved.tokenizer, start, end_tokens(saved), token_limit(saved.config), int(text.vocab_size))
        self._typed = int(saved.kind == "paligemma")  # there a text's tokens are of type 1, and 0 elsewhere

    def look(self, pictures: Sequence[Image.Image]) -> list[dict[str, torch.Tensor]]:
        """See `PictureModel`."""
        with asking(self.saved.name), hushed():
            return [self._inputs(picture) for picture in pictures]

    def propose(self, states: Sequence[dict[str, torch.Tensor]], count: int, length: int) -> list[list[str]]:
        """See `PictureModel`."""
        found: list[list[str]] = []
        for state in states:
            used = self._used(state)
            room = length if self.text.limit is None else min(length, self.text.limit - used)
            if room < 1:
                raise UsageError(f"the picture and the prompt have {used} tokens, and {self.saved.name} takes {self.text.limit}.")
            with asking(self.saved.name), hushed():
                rows = self.saved.module.generate(**state, **_search(self.text, count, room))
            found += _texts(self.text, rows[:, used:].tolist(), count, self._anchor, used)
        return found

    def _used(self, state: dict[str, torch.Tensor]) -> int:
        return int(state["input_ids"].shape[1])

    def _begin(self, state: dict[str, torch.Tensor]) -> Any:
        return self.saved.module(**state, use_cache=True)

    def _go_on(self, state: dict[str, torch.Tensor], tokens: torch.Tensor, memory: Any) -> torch.Tensor:
        places = self._places(tokens, self._used(state))
        logits: torch.Tensor = self.saved.module(input_ids=tokens, past_key_values=memory, use_cache=True, **places).logits
        return logits

    def _whole(self, state: dict[str, torch.Tensor], tokens: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.saved.module(**_longer(state, tokens, self._typed), use_cache=False).logits
        return logits

    def _places(self, tokens: torch.Tensor, used: int) -> dict[str, torch.Tensor]:
        """Positions, for a model that does not count them itself."""
        return {}

    @abstractmethod
    def _inputs(self, picture: Image.Image) -> dict[str, torch.Tensor]: ...


class Git(_Joint):
    """GIT (Wang et al. 2022): the picture's tokens, then the text's, whose positions count from its own start."""

    def __init__(self, saved: Saved, prompt: str) -> None:
        start = saved.config.bos_token_id if saved.config.bos_token_id is not None else saved.tokenizer.cls_token_id
        if start is None:
            raise CheckpointError(f"{saved.folder / 'config.json'} names no bos_token_id. Add it.")
        super().__init__(saved, (int(start),), prompt)
        self.opening = prompt
        self._before = (int(start), *(self.text.cut(prompt) if prompt else ()))

    def _inputs(self, picture: Image.Image) -> dict[str, torch.Tensor]:
        return {
            "pixel_values": _pixels(self.saved, [picture]),
            "input_ids": torch.tensor([self._before], device=self.saved.device),
        }

    def _places(self, tokens: torch.Tensor, used: int) -> dict[str, torch.Tensor]:
        places = torch.arange(used, used + tokens.shape[1], device=self.saved.device)
        return {"position_ids": places.expand(len(tokens), -1)}


class Answering(_Joint):
    """A model that is asked about a picture in its own form of a conversation, or continues picture and prompt where it has none."""

    def __init__(self, saved: Saved, prompt: str) -> None:
        self._question = prompt
        self._talks = bool(getattr(saved.processor, "chat_template", None))
        with asking(saved.name), hushed():
            self._asked = self._rendered(saved)
        closing = "\n" if saved.kind == "paligemma" and not self._talks else ""  # its processor ends the question so
        super().__init__(saved, (), self._asked + closing)

    def _rendered(self, saved: Saved) -> str:
        """All that comes before a description, as text."""
        if self._talks:
            return str(saved.processor.apply_chat_template(self._talk(None), add_generation_prompt=True, tokenize=False))
        token = getattr(saved.processor, "image_token", None)
        return f"{token}\n{self._question}" if token is not None else self._question

    def _talk(self, picture: Image.Image | None) -> list[dict[str, Any]]:
        seen = {"type": "image"} if picture is None else {"type": "image", "image": picture}
        return [{"role": "user", "content": [seen, {"type": "text", "text": self._question}]}]

    def _inputs(self, picture: Image.Image) -> dict[str, torch.Tensor]:
        processor = self.saved.processor
        if self._talks:
            given = processor.apply_chat_template(
                self._talk(picture), add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
            )
        else:
            given = processor(images=picture, text=self._asked, return_tensors="pt")
        return {name: value.to(self.saved.device) for name, value in given.items() if isinstance(value, torch.Tensor) and name != "labels"}


def _pixels(saved: Saved, pictures: Sequence[Image.Image]) -> torch.Tensor:
    values = saved.processor(images=list(pictures), return_tensors="pt")["pixel_values"]
    pixels: torch.Tensor = values.to(saved.device, torch.float32)
    return pixels


def _longer(state: dict[str, torch.Tensor], tokens: torch.Tensor, typed: int) -> dict[str, torch.Tensor]:
    """What goes in for a picture and one text (1, L): the mask goes on with 1, the types of tokens with that of a text."""
    longer = dict(state)
    for name, value in state.items():
        if name.endswith(("input_ids", "attention_mask", "token_type_ids")) and value.shape == state["input_ids"].shape:
            more = tokens if name == "input_ids" else torch.full_like(tokens, 1 if name == "attention_mask" else typed)
            longer[name] = torch.cat([value, more.to(value.dtype)], dim=1)
    return longer


def _search(text: TextSide, count: int, length: int) -> dict[str, Any]:
    """A beam by plain log p: no draws, no reward for length."""
    return {
        "max_new_tokens": length, "num_beams": count, "num_return_sequences": count, "do_sample": False, "length_penalty": 0.0,
        "eos_token_id": list(text.ends), "pad_token_id": text.pad,
    }  # fmt: skip


def _texts(text: TextSide, rows: Sequence[Sequence[int]], count: int, before: str, used: int) -> list[list[str]]:
    """Different texts of each `count` rows; empty ones, and such as find no room when they are cut again, are left out."""
    cleaned = [text.clean(row) for row in rows]
    parts = [dict.fromkeys(cleaned[first : first + count]) for first in range(0, len(cleaned), count)]
    return [[found for found in part if found and text.fits(before, found, used)] for part in parts]
