"""The meaning of every number on the pages, in one place. Each number links to its entry."""

from __future__ import annotations

from dissect.exchange.view import ReportRun
from dissect.exchange.words import RARE, percent

PROFILES = {
    "standard": "This program's own rules: exact thresholds, half-pixel upsampling, a concept counts once at a pixel, and a unit's area "
    "is taken over the images in which the concept's category is annotated.",
    "netdissect": "The rules of the program published with Network Dissection in 2017, its receptive-field upsampling and leaked label 0 "
    "included.",
    "lite": "The rules of the later NetDissect-Lite program.",
    "compexp": "The rules of the program published with Compositional Explanations in 2020.",
    "imported": "Read from a published table; the rules are those of the program that made it.",
}
MEASURES = {
    "iou": "IoU", "auroc": "AUROC", "pmi": "PMI", "lm_penalised": "LM-penalised", "log_p_given": "log p(d|E)", "similarity": "similarity",
    "none": "no score",
}  # fmt: skip


def score_anchor(run: ReportRun) -> str:
    """The entry that explains this run's scores."""
    return "auroc" if run.label_kind == "image" else "iou"


def entries(run: ReportRun) -> list[tuple[str, str, str]]:
    """(anchor, name, text) of everything a page links to."""
    return [*_pictures(run), *_scores(run), *_formulas(), *_descriptions(), *_doubts(run)]


def _pictures(run: ReportRun) -> list[tuple[str, str, str]]:
    return [
        ("exemplars", "Highest pictures",
         "The images in which the unit's largest activation is highest, one place an image, highest first."),
        ("activation", "Activation", "The number under a picture: the unit's largest value anywhere in that image."),
        ("map", "Map", "A unit answers to an image with a small grid of numbers; in a linear layer with one number, a map of 1 x 1."),
        ("quantile", "Share above the threshold",
         f"Each unit's threshold is set so that about {percent(run.quantile)} of all its values lie above it."),
        ("threshold", "Threshold T",
         "The value above which a unit counts as on. It is exact: taken from every position of every image."),
        ("mask", "Mask", "Where the unit's map, enlarged to the size of the label maps, is above T. On the pictures the rest is dimmed."),
        ("share", "How often it fires", "Positions above T, of all positions; and images with at least one position above T."),
        ("states", "State",
         "ok: ordinary. dead: always 0. constant: always one value. saturated: T equals the maximum, so the mask is where it is reached. "
         "Dead and constant units get no label."),
    ]  # fmt: skip


def _scores(run: ReportRun) -> list[tuple[str, str, str]]:
    return [
        ("iou", "IoU, intersection over union",
         "Pixels where unit and concept are both on, divided by pixels where either is on, summed over all images. 1 is perfect; "
         ".04 is what Network Dissection asks of a detector; few units pass .3."),
        ("counts", "I, A and G",
         "I: pixels where unit and concept are both on. A: pixels where the unit is on, in the images that count for this concept. "
         "G: pixels of the concept. IoU = I / (A + G - I)."),
        ("reachable", "Reachable IoU",
         "The most this concept could score at this threshold, if the smaller of A and G lay wholly inside the larger. Sky and road "
         "cover so much that no unit can match them; read their scores against this."),
        ("auroc", "AUROC",
         "The chance that the unit's maximum is higher in an image with the concept than in one without it. .5 is no better than a coin."),
        ("detector", "Detector", f"A unit whose best score passes the rule of this run: {run.detector_rule}."),
        ("presence", "In how many images",
         f"The images of this run in which the concept is annotated at all. In fewer than {RARE} it is called rare: a handful of pictures "
         "that share something else by luck can make such a label."),
        ("unique", "Distinct concepts",
         "How many different concepts the detectors have. Published work counts them in two ways: the best concept of each unit, or the "
         "best of each category, summed over categories."),
    ]  # fmt: skip


def _formulas() -> list[tuple[str, str, str]]:
    return [
        ("formula", "Formula",
         "Concepts joined by AND, OR and NOT, chosen so that the pixels where it is true overlap most with those where the unit is on. "
         "Its IoU is at least that of the best single concept, since more can be said with more words: see how much each word adds."),
        ("certificate", "What is proven of a formula",
         "optimal at length 3: of all formulas of up to three concepts, added one after the other by OR, AND or AND NOT, none has a larger "
         "IoU. proven gap: none is better by more than this. Found by beam, not proven: the best that a search met which keeps only the "
         "most promising formulas at every length."),
        ("meanings", "Several meanings",
         "A unit may fire for different things. Each formula of the list is the one that adds most to the IoU of those before it. "
         "Coverage: the share of the unit's pixels above T that it explains and those before it do not."),
        ("ranges", "Activation ranges",
         "The unit's activations parted into ranges by their size, and the best formula for each: what drives it a little may be "
         "something else than what drives it most."),
        ("quality", "Accuracy and coverage",
         "Accuracy: the share of the formula's pixels where the unit is on. Coverage: the share of the unit's pixels above T where the "
         "formula is true. Images explained: of the images in which the unit is above T, those where the formula is true on some of "
         "it."),
    ]  # fmt: skip


def _descriptions() -> list[tuple[str, str, str]]:
    return [
        ("description", "Description",
         "What a captioner says of the unit's highest pictures, inside masks of the hundredth of all positions with the highest values. "
         "It is a guess in words, not a measurement: a captioner knows only the world it was trained on. Read it with its detection "
         "score."),
        ("pmi", "PMI",
         "log p(d|E) - lambda log p(d), in nats: how probable the captioner finds the description of these pictures, less a share of how "
         "probable it is of any. It compares descriptions of one unit; between units, or captioners, it says little. Where log p(d) "
         "comes from a language model that is not the captioner's own, the same difference is called LM-penalised; where there is none, "
         "descriptions are ordered by log p(d|E) alone."),
        ("detection", "Detection score",
         "Images that excite the unit, its highest pictures left out, are to be told from images that do not, by whether what the "
         "description names is annotated there. AUC .5 is no better than a coin. Beside it: the same with texts that know nothing of the "
         "unit. A description that names no concept of the data set scores .5."),
        ("agreement", "Agreement",
         "Whether the words of the description name the concept that overlaps most with the unit, or a concept of its formula. The share "
         "of other units' descriptions that do says how little that may mean."),
    ]  # fmt: skip


def _doubts(run: ReportRun) -> list[tuple[str, str, str]]:
    return [
        ("chance", "Chance",
         "With many concepts to choose from, some concept fits any unit a little. q is the share of false findings among labels at least "
         "this strong, measured against shuffled label maps. A label stands in bold only if it was tested and q is at most .05."),
        ("z", "Stands out most",
         "Rare concepts dominate the largest score by luck. So each concept is also compared with its own scores under shuffled label "
         "maps; this is the one that lies most standard deviations above them. It need not be the label."),
        ("held-out", "Held-out score",
         "The label's score on images that neither its threshold nor its choice has seen: the images are cut in two halves, frames of one "
         "film or pictures of one person together, and each half tests the other. A label that only one half would choose is not stable."),
        ("interval", "95 % interval",
         "How far the score moves when images are drawn anew, for this label and this threshold. It does not cover the luck of having "
         "chosen the best of many concepts; the held-out score does."),
        ("basis", "Among rotated units",
         "Units are one choice of axes among many. Here the layer's axes are turned at random and the turned units labelled in the same "
         "way. A small share says that this axis means more than most; it says nothing about chance, since turned units see the images "
         "too."),
        ("audit", "Audit",
         "A finding says that a unit answers differently to two groups of pictures, or is named after people, not that the network treats "
         "anybody unfairly, and not why. Groups are those of the data set's card, never guessed from faces; a unit for faces is not yet a "
         "unit for a group. The audit's own page says what was tested and what could not be."),
        ("untested", "Not testable", "A test that these images cannot support is not made, and the reason stands in its place."),
        ("profile", "Profile",
         f"Published programs differ silently in how they count. This run: {run.profile}. " + PROFILES.get(run.profile, "")),
        ("fingerprint", "Fingerprint",
         "One number for the content of data and weights and for every setting that changes the result. Equal fingerprints mean equal "
         "results."),
    ]  # fmt: skip
