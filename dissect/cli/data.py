"""`dissect data`: the data-set cards, and a check that reads every file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from dissect.cli.output import shown, write_json, write_rows
from dissect.cli.read import FormatOption, chosen
from dissect.cli.state import State
from dissect.errors import DataError

group = typer.Typer(name="data", help="Data sets: cards, contents, checks.", no_args_is_help=True, rich_markup_mode=None)

DataRoot = Annotated[Path | None, typer.Option(help="Folder of data sets, for cards that name a folder inside it.")]


def register(app: typer.Typer) -> None:
    """Add this file's group."""
    app.add_typer(group)


@group.command("list")
def list_data(context: typer.Context, form: FormatOption = None) -> None:
    """List the data-set cards that can be named.

    Example: dissect data list
    """
    from dissect.concepts.card import list_cards

    state: State = context.obj
    rows = []
    for found in list_cards(state.config.cards):
        card = found.card
        rows.append(
            {
                "name": found.name,
                "format": card.format if card else None,
                "title": card.title if card else f"unreadable: {found.fault}",
                "licence": card.licence if card else None,
                "card": str(found.path),
            }
        )
    write_rows(rows, ("name", "format", "title", "licence"), chosen(form, state))


@group.command("show")
def show_data(
    context: typer.Context, name: Annotated[str, typer.Argument(help="A card's name or path.")], data_root: DataRoot = None
) -> None:
    """Show one data set: images, splits, categories, concepts, groups.

    Example: dissect data show demo
    """
    from dissect.concepts.card import load_card
    from dissect.concepts.open import open_set

    state: State = context.obj
    state.override(data_root=data_root)
    config = state.config
    card = load_card(name, config.cards, config.data_root)
    opened = open_set(card, home=config.home)
    vocabulary = opened.vocabulary
    splits: dict[str, int] = {}
    for record in opened.records:
        splits[record.split or "(none)"] = splits.get(record.split or "(none)", 0) + 1
    groups = {record.group for record in opened.records if record.group is not None}
    by_category = {category: [c.name for c in vocabulary.concepts if c.category == category] for category in vocabulary.categories}
    document = {
        "name": card.name,
        "title": card.title,
        "format": card.format,
        "root": str(card.root),
        "licence": card.licence,
        "source": card.source,
        "images": len(opened.records),
        "splits": splits,
        "groups": len(groups),
        "labels": opened.label_kind,
        "concepts": by_category,
        "attributes": sorted({key for record in opened.records[:1] for key in record.attributes}),
    }
    if state.json:
        write_json(document)
        return
    for key in ("name", "title", "format", "root", "licence", "source", "images", "labels", "groups"):
        print(f"{key:10} {shown(document[key])}")
    print(f"{'splits':10} {', '.join(f'{name} {count}' for name, count in splits.items())}")
    for category, names in by_category.items():
        print(f"{category:10} {len(names)} concepts: {', '.join(shown(each) for each in names[:12])}{' ...' if len(names) > 12 else ''}")


@group.command("check")
def check_data(
    context: typer.Context, name: Annotated[str, typer.Argument(help="A card's name or path.")], data_root: DataRoot = None
) -> None:
    """Read every image and label file and report all faults at once; exit 1 if there are any.

    Example: dissect data check ./my-set.toml
    """
    import sys

    from dissect.concepts.card import load_card
    from dissect.concepts.check import check
    from dissect.probe.progress import progress_for

    state: State = context.obj
    state.override(data_root=data_root)
    config = state.config
    card = load_card(name, config.cards, config.data_root)
    progress = progress_for(sys.stderr, quiet=state.quiet)

    def tell(done: int, total: int) -> None:
        if done == 1:
            progress.start("reading", total)
        progress.advance()

    report = check(card, home=config.home, progress=tell)
    progress.done()
    if state.json:
        write_json(
            {
                "images": report.images,
                "faults": [{"file": f.where, "fault": f.what, "remedy": f.remedy} for f in report.faults],
                "good": report.good,
                "concepts": [dataclasses.asdict(found) for found in report.concepts],
                "categories": report.categories,
                "content_hash": report.content_hash,
            }
        )
    else:
        for fault in report.faults:
            print(f"{fault.where}: {fault.what} {fault.remedy}")
        print(f"{report.images} images read, {report.good} good, {len(report.faults)} faults, {len(report.concepts)} concepts")
    if report.faults:
        raise DataError(f"{len(report.faults)} fault(s) in {card.name}; each is listed on stdout with its remedy.")


@group.command("render")
def render(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="New folder to write.")],
    images: Annotated[int, typer.Option(min=1, help="How many pictures.")] = 2000,
    seed: Annotated[int, typer.Option(help="Another seed draws other pictures.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes; changes no byte.")] = 2,
) -> None:
    """Draw the embedded set into a folder, in Broden's layout.

    Example: dissect data render pictures --images 200
    """
    from dissect.concepts.procedural.render import render as draw

    state: State = context.obj
    draw(folder, images, seed, workers)
    if state.json:
        write_json({"folder": str(folder), "images": images, "seed": seed})
    state.say(f"wrote {images} pictures to {folder}")
