"""The audit by description of descriptions that people and a published method wrote."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

from dissect.audit.finding import WordCounts
from dissect.pipeline.audit import AuditRequest, audit_files

pytestmark = pytest.mark.shared

PEOPLE = "human_annotations/MILANNOTATIONS_resnet152_imagenet.csv"
MILAN = "published_labels/MILAN_results/m_base_resnet50_imagenet.csv"
GENDER = re.compile(
    r"\b(wom[ae]ns?|girls?|females?|feminine|lady|ladies|brides?|mothers?|moms?|m[ae]ns?|boys?|males?|masculine|guys?|gentlem[ae]n|"
    r"bridegrooms?|fathers?|dads?)\b"
)
APART = re.compile(r"\b(man made|no man|(snow|pac|spider|bat) man)\b")


def counted(shared: Path, table: str, name: str) -> WordCounts:
    (counts,) = audit_files(shared / "data" / table, AuditRequest(lexicons=(name,))).report.words
    return counts


@pytest.mark.parametrize(
    ("table", "name", "expected"),
    [
        (PEOPLE, "gender", (3904, 182, 130, 300)), (PEOPLE, "faces", (3904, 547, 134, 756)),
        (MILAN, "gender", (4904, 0, 0, 50)), (MILAN, "faces", (4904, 285, 5, 294)),
    ],
)  # fmt: skip
def test_three_ways_of_counting_differ_much(shared: Path, table: str, name: str, expected: tuple[int, int, int, int]) -> None:
    """Units; by lemma, by whole word, by substring: `human` holds `man`, `surface` holds `face`, and `eyes` holds neither."""
    counts = counted(shared, table, name)
    assert (counts.units, counts.lemma, counts.whole, counts.substring) == expected


def test_describers_never_agree_on_gender(shared: Path) -> None:
    """Three people described each unit. Who says gender is counted here again, with one pattern."""
    votes: Counter[tuple[str, str]] = Counter()
    with (shared / "data" / PEOPLE).open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            text = APART.sub(" ", re.sub(r"['’]s?\b", "", re.sub(r"[-_]", " ", row["summary"].lower())))
            votes[row["layer"], row["unit"]] += bool(GENDER.search(text))
    plain = tuple(sum(count >= least for count in votes.values()) for least in (1, 2, 3))
    assert counted(shared, PEOPLE, "gender").agreement == plain == (182, 0, 0)
