"""log p(d) of a language model against a plain loop, and the mean over units against its formula."""

from __future__ import annotations

import math
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from dissect.caption.vl_files import hushed, open_language_model
from dissect.caption.vl_prior import CausalPrior, marginal
from dissect.errors import NetworkError, UsageError
from tests.caption.saved_models import BERT_NAMES, PHRASES, TEXT, save, word_tokenizer


@pytest.fixture(scope="module")
def prior(saved_models: dict[str, Path]) -> CausalPrior:
    return CausalPrior(open_language_model(str(saved_models["gpt2"]), "cpu"))


@pytest.mark.parametrize("before", ["", "a picture of"])
def test_log_p_equals_a_loop_over_tokens(prior: CausalPrior, before: str) -> None:
    module, tokenizer = prior.saved.module, prior.saved.tokenizer
    for text, found in zip(PHRASES, prior.log_p(PHRASES, before), strict=True):
        front = [0, *(tokenizer(before)["input_ids"] if before else [])]
        tokens = [*tokenizer(f" {text}" if before else text)["input_ids"], 0]
        expected = 0.0
        for place in range(len(tokens)):
            with torch.inference_mode():
                logits = module(input_ids=torch.tensor([front + tokens[:place]])).logits[0, -1].double()
            expected += float(logits[tokens[place]] - torch.logsumexp(logits, 0))
        assert found == pytest.approx(expected, abs=1e-4)


@settings(max_examples=40)
@given(st.lists(st.sampled_from(PHRASES), min_size=1, max_size=70))
def test_neighbours_change_nothing(prior: CausalPrior, texts: list[str]) -> None:
    alone = dict(zip(PHRASES, [prior.log_p([text])[0] for text in PHRASES], strict=True))
    assert prior.log_p(texts) == pytest.approx([alone[text] for text in texts], abs=1e-4)


def test_a_text_too_long_for_it_is_named(prior: CausalPrior) -> None:
    with pytest.raises(UsageError, match=r"'xxx.*takes 64\. Shorten it"):
        prior.log_p(["x" * 100])


def test_a_model_that_sees_both_ways_is_no_prior(tmp_path: Path) -> None:
    with hushed() as transformers:
        config = transformers.BertConfig(vocab_size=17, **TEXT, bos_token_id=1, eos_token_id=2, is_decoder=False)
        config.architectures = ["BertLMHeadModel"]
        torch.manual_seed(0)
        module = transformers.BertLMHeadModel(config)
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.4)
        save(tmp_path, module, word_tokenizer(transformers, **BERT_NAMES))
    with pytest.raises(NetworkError, match="is a bert that sees the words after each word too"):
        CausalPrior(open_language_model(str(tmp_path), "cpu"))


@given(st.lists(st.lists(st.floats(-80, 0), min_size=3, max_size=3), min_size=1, max_size=6))
def test_marginal_is_the_log_of_the_mean(scores: list[list[float]]) -> None:
    found = marginal(np.array(scores))
    for c in range(3):
        assert found[c] == pytest.approx(math.log(math.fsum(math.exp(row[c]) for row in scores) / len(scores)), abs=1e-9)
