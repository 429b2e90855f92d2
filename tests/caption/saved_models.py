"""Small models of transformers with random weights, saved as their own `save_pretrained` does, with tokenisers made here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from dissect.caption.describer import ExemplarSet
from dissect.caption.vl_files import hushed

WORDS = ("a", "picture", "of", "red", "car", "tree", "sky", "the", "house", "green", "wheel", "dog")
BERT = ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[DEC]")
BERT_NAMES = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
PHRASES = ("red car", "tree", "the sky of the house", "a dog", "green wheel of a red car")
SIDE = 16
VISION = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": SIDE, "patch_size": 8}
TEXT = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 32}


def word_tokenizer(transformers: Any, **names: str) -> Any:
    """Whole words, as BERT's for words it knows."""
    table = {word: number for number, word in enumerate((*BERT, *WORDS))}
    made = Tokenizer(models.WordLevel(table, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, **names)


def byte_tokenizer(transformers: Any, special: tuple[str, ...] = ("<|endoftext|>",), **names: str) -> Any:
    """Bytes (those of plain text) with a few merges, as GPT-2's: a word after a space is another token; there need be no pad token."""
    alphabet = [*map(chr, range(33, 127)), "Ġ", "Ċ"]
    merges = [("c", "a"), ("ca", "r"), ("Ġ", "car"), ("t", "r"), ("Ġ", "tr"), ("r", "e"), ("re", "d")]
    tokens = [*special, *alphabet, *("".join(pair) for pair in merges)]
    made = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, **names)


def _spread(module: Any, seed: int) -> Any:
    """Weights large enough for texts to differ by whole nats."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * (0.35 if parameter.ndim > 1 else 0.1))
    return module.eval()


def _square(transformers: Any, name: str = "BlipImageProcessor") -> Any:
    return getattr(transformers, name)(size={"height": SIDE, "width": SIDE}, image_mean=[0.5] * 3, image_std=[0.5] * 3)


def save(folder: Path, module: Any, *parts: Any, dtype: torch.dtype = torch.float32) -> Path:
    """Write a model and what belongs to it."""
    module.to(dtype).save_pretrained(folder)
    for part in parts:
        part.save_pretrained(folder)
    return folder


def save_blip(folder: Path, seed: int = 0, dtype: torch.dtype = torch.float32) -> Path:
    """BLIP for captions: ViT and a BERT-like decoder."""
    with hushed() as transformers:
        ids = {"bos_token_id": 4, "pad_token_id": 0, "eos_token_id": 2, "sep_token_id": 2}
        text = {**TEXT, **ids, "encoder_hidden_size": 16, "vocab_size": 17}
        config = transformers.BlipConfig(text_config=text, vision_config=VISION, projection_dim=8)
        tokenizer = word_tokenizer(transformers, **BERT_NAMES, bos_token="[DEC]")
        module = _spread(transformers.BlipForConditionalGeneration(config), seed)
        return save(folder, module, tokenizer, _square(transformers), dtype=dtype)


def save_git(folder: Path, seed: int = 0, dtype: torch.dtype = torch.float32) -> Path:
    """GIT: the picture's tokens before the text's."""
    with hushed() as transformers:
        config = transformers.GitConfig(vision_config=VISION, vocab_size=17, **TEXT, pad_token_id=0, bos_token_id=1, eos_token_id=2)
        tokenizer = word_tokenizer(transformers, **BERT_NAMES)
        image = transformers.CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
        return save(folder, _spread(transformers.GitForCausalLM(config), seed), tokenizer, image, dtype=dtype)


def save_encoder_decoder(folder: Path, seed: int = 0, dtype: torch.dtype = torch.float32) -> Path:
    """ViT and GPT-2 with cross-attention; its tokeniser has no pad token."""
    with hushed() as transformers:
        tokenizer = byte_tokenizer(transformers, bos_token="<|endoftext|>", eos_token="<|endoftext|>")
        sizes = {"n_embd": 12, "n_layer": 1, "n_head": 2, "n_positions": 64}
        writes = transformers.GPT2Config(vocab_size=len(tokenizer), **sizes, bos_token_id=0, eos_token_id=0, add_cross_attention=True)
        config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(transformers.ViTConfig(**VISION), writes)
        config.decoder_start_token_id, config.eos_token_id = 0, 0
        module = _spread(transformers.VisionEncoderDecoderModel(config), seed)
        module.generation_config.eos_token_id, module.generation_config.decoder_start_token_id = 0, 0
        return save(folder, module, tokenizer, _square(transformers, "ViTImageProcessor"), dtype=dtype)


def save_llava(folder: Path, seed: int = 0, dtype: torch.dtype = torch.float32, talks: bool = True) -> Path:
    """LLaVA: CLIP's picture tokens among those of a Llama, asked in its form of a conversation."""
    with hushed() as transformers:
        special = ("<s>", "</s>", "<image>", "<pad>")
        tokenizer = byte_tokenizer(transformers, special, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
        tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
        ids = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 3}
        text = {**TEXT, **ids, "vocab_size": len(tokenizer), "max_position_embeddings": 160}
        config = transformers.LlavaConfig(
            vision_config=transformers.CLIPVisionConfig(**{**VISION, "num_hidden_layers": 2}), text_config=transformers.LlamaConfig(**text),
            image_token_id=2, vision_feature_layer=-1,
        )  # fmt: skip
        image = transformers.CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
        template = (
            "{{ bos_token }}{% for m in messages %}USER: {% for c in m['content'] %}{% if c['type'] == 'image' %}<image>\n"
            "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endfor %}{% if add_generation_prompt %} ASSISTANT:{% endif %}"
        )
        processor = transformers.LlavaProcessor(
            image, tokenizer, patch_size=8, vision_feature_select_strategy="default", num_additional_image_tokens=1,
            chat_template=template if talks else None,
        )  # fmt: skip
        module = _spread(transformers.LlavaForConditionalGeneration(config), seed)
        module.generation_config.eos_token_id = [1, 3]
        return save(folder, module, processor, dtype=dtype)


def save_paligemma(folder: Path) -> Path:
    """PaliGemma: picture and question see each other both ways, the text after them does not."""
    with hushed() as transformers:
        special = ("<bos>", "<eos>", "<image>", "<pad>")
        tokenizer = byte_tokenizer(transformers, special, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>")
        tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
        ids = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 3}
        text = {**TEXT, **ids, "model_type": "gemma", "vocab_size": 2000, "num_key_value_heads": 1, "head_dim": 8}
        sees = {**VISION, "model_type": "siglip_vision_model", "projection_dim": 16, "vision_use_head": False}
        config = transformers.PaliGemmaConfig(
            image_token_index=2, vision_config=sees, text_config={**text, "max_position_embeddings": 160}, projection_dim=16, hidden_size=16
        )
        image = transformers.SiglipImageProcessor(size={"height": SIDE, "width": SIDE})
        image.image_seq_length = (SIDE // 8) ** 2
        module = _spread(transformers.PaliGemmaForConditionalGeneration(config), 0)
        return save(folder, module, transformers.PaliGemmaProcessor(image, tokenizer))


def save_gpt2(folder: Path, seed: int = 0, dtype: torch.dtype = torch.float32) -> Path:
    """A language model without a pad token."""
    with hushed() as transformers:
        tokenizer = byte_tokenizer(transformers, bos_token="<|endoftext|>", eos_token="<|endoftext|>")
        sizes = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64}
        config = transformers.GPT2Config(vocab_size=len(tokenizer), **sizes, bos_token_id=0, eos_token_id=0)
        return save(folder, _spread(transformers.GPT2LMHeadModel(config), seed), tokenizer, dtype=dtype)


CAPTIONERS: dict[str, Callable[..., Path]] = {
    "blip": save_blip, "git": save_git, "encoder-decoder": save_encoder_decoder, "llava": save_llava,
}  # fmt: skip


def pictures(count: int, seed: int = 0, size: tuple[int, int] = (20, 24)) -> list[Image.Image]:
    """Random RGB pictures of (height, width)."""
    draw = np.random.default_rng(seed)
    return [Image.fromarray(draw.integers(0, 256, (*size, 3)).astype(np.uint8)) for _ in range(count)]


def exemplar_set(units: int = 3, k: int = 2, seed: int = 0) -> ExemplarSet:
    """Units with k exemplars and random masks; change the arrays for odd ones."""
    draw = np.random.default_rng(seed)
    images = pictures(units * k, seed)
    masks = draw.random((units, k, 10, 12)) < 0.4
    masks[:, :, 0, 0] = True
    return ExemplarSet(
        lambda number: images[number],
        np.arange(units * k, dtype=np.int32).reshape(units, k),
        lambda unit, rank: np.asarray(masks[unit, rank]),
        np.ones((units, k), np.bool_),
    )
