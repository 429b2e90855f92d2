"""`dissect run`, and its steps by themselves: `dissect probe`, `dissect score`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dissect.cli.output import size_text, write_json
from dissect.cli.state import State
from dissect.errors import NotSupportedError, UsageError

if TYPE_CHECKING:
    from dissect.pipeline.request import RunRequest
    from dissect.pipeline.run import RunOutcome
    from dissect.probe.progress import Progress

MIN_IMAGES = typer.Option(min=1, help="Concepts in fewer images give no label; in fewer than 10 they are marked as rare.")
BatchSize = Annotated[int | None, typer.Option(min=1, help="Images a forward pass; changes no result.")]
Workers = Annotated[int, typer.Option(min=1, help="Threads that decode images; changes no result.")]
CacheLimit = Annotated[str | None, typer.Option(metavar="BYTES", help="Most bytes of kept activations, for example 20GB.")]
Device = Annotated[Literal["auto", "cpu", "cuda", "mps"] | None, typer.Option(help="Where the network runs.")]


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(run)
    app.command()(probe)
    app.command()(score)


def run(
    context: typer.Context,
    model: Annotated[
        str, typer.Argument(help="A card's name or path, torchvision:NAME, timm:NAME, transformers:NAME or folder, package.module:factory.")
    ],
    data: Annotated[str, typer.Option("--data", "-d", help="A data-set card's name or path.")],
    layers: Annotated[str, typer.Option(help="Names or wildcards, separated by commas; see dissect models layers.")] = "",
    weights: Annotated[Path | None, typer.Option(help="Weights file for package.module:factory, or instead of the card's.")] = None,
    step: Annotated[int | None, typer.Option(min=0, help="Training step of the weights, kept beside the run.")] = None,
    split: Annotated[str | None, typer.Option(help="Only this split of the data set.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use this many evenly spaced images.")] = None,
    profile: Annotated[str, typer.Option(help="standard, netdissect, lite or compexp.")] = "standard",
    quantile: Annotated[float, typer.Option(help="Share of activations above the threshold.")] = 0.005,
    activation_dtype: Annotated[
        Literal["float16", "float32"] | None, typer.Option(help="How activations are kept; default: the profile's.")
    ] = None,
    label_size: Annotated[
        str | None, typer.Option(metavar="HxW", help="Size of label maps, for example 112x112; default: half the input.")
    ] = None,
    geometry: Annotated[
        Literal["squash", "model"], typer.Option(help="Squash pictures to the input, or the network's own resize and crop.")
    ] = "squash",
    methods: Annotated[str, typer.Option(help="netdissect, compositional, milan; separated by commas.")] = "netdissect",
    threshold: Annotated[float, typer.Option(help="A unit is a detector when its IoU is above this.")] = 0.04,
    min_images: Annotated[int, MIN_IMAGES] = 1,
    top: Annotated[int, typer.Option(min=1, help="Concepts kept a unit and category.")] = 5,
    exemplars: Annotated[int, typer.Option(min=1, help="Images kept a unit.")] = 15,
    input_size: Annotated[
        str | None, typer.Option(metavar="HxW", help="Size of the network's input, for example 224x224; default: the network's own.")
    ] = None,
    prefix_tokens: Annotated[
        int | None, typer.Option(min=0, help="Tokens before those of the patches (class, registers), where they cannot be counted.")
    ] = None,
    colour_naming: Annotated[
        bool | None, typer.Option("--colour-naming/--no-colour-naming", help="Add the 11 basic colours as concepts.")
    ] = None,
    plain_forward: Annotated[
        bool, typer.Option("--plain-forward", help="No channels_last, no folded batch norm, no packed filters.")
    ] = False,
    trust_checkpoint: Annotated[
        bool, typer.Option("--trust-checkpoint", help="Load a pickled checkpoint that you made: it can run any code.")
    ] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Accept weights that do not fill the network.")] = False,
    ema: Annotated[bool, typer.Option("--ema", help="Take the averaged weights of a checkpoint that holds both.")] = False,
    batch_size: BatchSize = None,
    workers: Workers = 1,
    cache_limit: CacheLimit = None,
    device: Device = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of data sets, for cards that name a folder inside it.")] = None,
    engine: Annotated[Literal["local", "ray"], typer.Option(help="Where shards are computed: local.")] = "local",
    report: Annotated[Path | None, typer.Option(help="Folder for the HTML report; default: reports in DISSECT_HOME.")] = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no HTML report.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done, and how long it would take.")] = False,
) -> None:
    """Dissect a network: probe, score, store, report. The same command again resumes, or does nothing if all is done.

    Example: dissect run torchvision:resnet18 --data broden --layers layer4
    """
    from dissect.pipeline.names import check_names
    from dissect.pipeline.request import RunRequest

    state: State = context.obj
    if engine == "ray":
        raise NotSupportedError("--engine ray is not supported by this version. Leave it out: shards are computed in this process.")
    request = RunRequest(
        model=model,
        data=data,
        layers=_names(layers),
        weights=str(weights.absolute()) if weights else None,
        step=step,
        split=split,
        limit=limit,
        profile=profile,
        quantile=quantile,
        activation_dtype=activation_dtype,
        label_size=parse_size(label_size),
        input_size=parse_size(input_size, "--input-size"),
        prefix_tokens=prefix_tokens,
        geometry=geometry,
        methods=_names(methods),
        threshold=threshold,
        min_images=min_images,
        top=top,
        exemplars=exemplars,
        colour_naming=colour_naming,
        fast=not plain_forward,
        trust=trust_checkpoint,
        partial=partial,
        ema=ema,
    )
    state.override(batch_size=batch_size, device=device, cache_limit=cache_limit, data_root=data_root)
    check_names(request, state.config)
    if dry_run:
        _dry_run(state, request, workers)
        return
    finish(state, request, workers=workers, report=report, no_report=no_report)


def probe(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="Number, fingerprint prefix or latest.")],
    batch_size: BatchSize = None,
    workers: Workers = 1,
    cache_limit: CacheLimit = None,
    device: Device = None,
) -> None:
    """Compute again what the cache lacks of a run (after a prune, or on another machine). Nothing in the database changes.

    Example: dissect probe latest
    """
    from dissect.pipeline.spec import probe_again

    state: State = context.obj
    state.override(batch_size=batch_size, device=device, cache_limit=cache_limit)
    result = probe_again(state.store(create=False), state.config, run, _progress(state), workers).result
    if state.json:
        write_json({"run": run, "images": result.images, "forward_images": result.forward_images, "skipped": len(result.skipped)})
    state.say(f"{result.images} images, {result.forward_images} of them through the network now")


def score(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="Number, fingerprint prefix or latest: whose activations to use.")],
    profile: Annotated[str | None, typer.Option(help="standard, netdissect, lite or compexp.")] = None,
    quantile: Annotated[float | None, typer.Option(help="Share of activations above the threshold.")] = None,
    threshold: Annotated[float | None, typer.Option(help="A unit is a detector when its IoU is above this.")] = None,
    min_images: Annotated[int | None, MIN_IMAGES] = None,
    top: Annotated[int | None, typer.Option(min=1, help="Concepts kept a unit and category.")] = None,
    cache_limit: CacheLimit = None,
    device: Device = None,
    report: Annotated[Path | None, typer.Option(help="Folder for the HTML report.")] = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no HTML report.")] = False,
) -> None:
    """Score a run's activations under other rules: a new run beside it, without a forward pass where the rules allow.

    Example: dissect score latest --quantile 0.01
    """
    from dissect.pipeline.imported import refuse_imported
    from dissect.pipeline.request import RunRequest

    state: State = context.obj
    state.override(device=device, cache_limit=cache_limit)
    record = state.store(create=False).run(run)
    refuse_imported(record, "score anew")
    changes: dict[str, object] = {"profile": profile, "quantile": quantile, "threshold": threshold, "min_images": min_images, "top": top}
    given = {name: value for name, value in changes.items() if value is not None}
    if not given:
        raise UsageError("nothing to change: give --profile, --quantile, --threshold, --min-images or --top.")
    if profile is not None:
        given["activation_dtype"] = None
    request = dataclasses.replace(RunRequest.from_plain(record.settings), **given)  # type: ignore[arg-type]
    finish(state, request, workers=1, report=report, no_report=no_report)


def finish(state: State, request: RunRequest, *, workers: int, report: Path | None, no_report: bool) -> None:
    """Run a request, say what came out, and leave with the right exit code."""
    from dissect.pipeline.run import run_request

    outcome = run_request(
        request,
        state.config,
        state.store(),
        _progress(state),
        workers=workers,
        report=None if no_report else (report or Path()),
        say=state.say,
    )
    announce(state, outcome)
    if outcome.skipped:
        raise typer.Exit(3)


def announce(state: State, outcome: RunOutcome) -> None:
    """The result: JSON on stdout, or a few lines for a person."""
    if state.json:
        write_json(outcome.as_plain())
        return
    for line in outcome.lines():
        print(line)


def parse_size(text: str | None, option: str = "--label-size") -> tuple[int, int] | None:
    """`112x96` as (height, width).

    Raises:
        UsageError: it is no size.
    """
    if text is None:
        return None
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) not in (1, 2) or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UsageError(f"{option} is {text!r}. Write height and width as 112x112.")
    return int(parts[0]), int(parts[-1])


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _progress(state: State) -> Progress:
    from dissect.probe.progress import progress_for

    return progress_for(sys.stderr, quiet=state.quiet)


def _dry_run(state: State, request: RunRequest, workers: int) -> None:
    from dissect.pipeline.run import dry_run

    found = dry_run(request, state.config, workers=workers)
    if state.json:
        write_json(dataclasses.asdict(found))
        return
    for layer in found.layers:
        print(
            f"layer {layer.layer.name}: {layer.layer.units} units, maps {layer.layer.map_size[0]}x{layer.layer.map_size[1]}, "
            f"{layer.shards} shards, {size_text(layer.dense_bytes)} dense, about {size_text(layer.sparse_bytes)} sparse"
        )
    print(f"{found.images} images; activations kept {found.keep}, {size_text(found.bytes)} on disk")
    print(f"about {found.seconds:.0f} s ({1000 * found.seconds_per_image:.1f} ms an image over {found.timed_images} timed images)")
    if not found.fits:
        raise UsageError("the cache limit is too small for this run even when kept sparsely. Raise --cache-limit, or ask for fewer layers.")
