"""Probe data sets: cards, one reader a format, label maps, vocabularies."""

from __future__ import annotations

from dissect.concepts.card import FORMATS, CardListing, DataCard, card_schema, find_card, list_cards, load_card, parse_card
from dissect.concepts.check import CheckReport, ConceptCount, Fault, check
from dissect.concepts.hierarchy import Hierarchy, closure, read_hierarchy
from dissect.concepts.images import frame, open_image
from dissect.concepts.model import UNLABELLED, VOID, Concept, ImageRecord, Labels, Plane, ProbeSet, Vocabulary
from dissect.concepts.open import READERS, open_set

__all__ = [
    "FORMATS",
    "READERS",
    "UNLABELLED",
    "VOID",
    "CardListing",
    "CheckReport",
    "Concept",
    "ConceptCount",
    "DataCard",
    "Fault",
    "Hierarchy",
    "ImageRecord",
    "Labels",
    "Plane",
    "ProbeSet",
    "Vocabulary",
    "card_schema",
    "check",
    "closure",
    "find_card",
    "frame",
    "list_cards",
    "load_card",
    "open_image",
    "open_set",
    "parse_card",
    "read_hierarchy",
]
