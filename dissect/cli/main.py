"""The `dissect` command: global options, the groups, and what an error looks like.

Nothing heavy is imported before a command needs it: `dissect --help` must answer at once.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from dissect import __version__
from dissect.cli.output import write_json
from dissect.cli.state import State
from dissect.errors import DissectError

EXIT_CODES = {
    0: ("done", ""),
    1: ("the work failed", "The message says what, where and what to do; --debug shows where in the program."),
    2: ("wrong usage", "An option, a name or a value; the command's --help lists them."),
    3: ("done, some inputs were skipped", "`dissect runs show latest` lists the images (or rows) with the reason; what was good counts."),
    4: ("not there", "No such run, unit, card, layer or file; near names are in the message."),
    5: ("the database is older than this program", "`dissect db backup FILE`, then `dissect db upgrade`."),
    6: ("done, and a gate is not kept", "--fail-on: the failing clause is printed, and what it found is in the report."),
    130: ("interrupted", "The same command again: finished shards and layers are kept."),
}
"""Code -> (what it means, what to do)."""
EVERYWHERE = (
    "Everywhere, before or after the command: --json (data on stdout, words on stderr), --db URL, --config FILE, --quiet, --verbose, "
    f"--debug, -h. Exit codes: {'; '.join(f'{code} {meaning}' for code, (meaning, _) in EXIT_CODES.items())}."
)
INTERRUPTED = 130
AGAIN = "interrupted. Run the same command again: finished shards and layers are kept."
FLAGS = {"--json", "--quiet", "-q", "--verbose", "-v", "--debug"}
VALUED = {"--db", "--config"}
GROUPS = (
    "run", "compose", "caption", "verify", "ablate", "edit", "audit", "compare", "series", "search", "read", "runs", "data", "models",
    "captioner", "cache", "database", "import_", "export", "serve", "registered", "review", "jobs", "tokens", "doctor", "demo",
)  # fmt: skip
"""Modules of this room that add commands with `register(app)`; in the order of the help text."""

app = typer.Typer(
    name="dissect",
    help="Looks inside a trained vision network and writes down, for every unit, what it detects, how sure we are, and how we know.",
    epilog=EVERYWHERE,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        print(f"dissect {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="Write data as JSON to stdout, words to stderr.")] = False,
    database: Annotated[str | None, typer.Option("--db", metavar="URL", help="Database (DISSECT_DATABASE_URL).")] = None,
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings file (default ./dissect.toml).")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    """Options of every command."""
    context.obj = State(json=json, quiet=quiet, verbose=verbose, debug=debug, database=database, config_file=config)
    context.call_on_close(context.obj.close)


for _group in GROUPS:
    importlib.import_module(f"dissect.cli.{_group}").register(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: runs one command and leaves the process with its exit code."""
    sys.exit(call(sys.argv[1:] if arguments is None else list(arguments)))


def call(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code. Errors are one line on stderr, or one JSON object on stdout with --json."""
    words = hoist(arguments)
    as_json, debug = "--json" in words, "--debug" in words
    try:
        result = app(words, standalone_mode=False, prog_name="dissect")
        sys.stdout.flush()
        if result == INTERRUPTED:  # typer turns Ctrl-C into this code, without a word
            return _fail(AGAIN, INTERRUPTED, as_json)
        return result if isinstance(result, int) else 0
    except typer.Abort:
        return _fail("nothing was done: it was not confirmed. Answer y, or give --yes.", 1, as_json)
    except KeyboardInterrupt:
        return _fail(AGAIN, INTERRUPTED, as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except DissectError as error:
        if debug:
            raise
        return _fail(str(error), error.exit_code, as_json)
    except Exception as error:
        describe = getattr(error, "format_message", None)  # typer's own usage errors, whichever click it carries
        if describe is None:
            if debug:
                raise
            return _fail(f"{type(error).__name__}: {error}. This is a fault of dissect: run again with --debug and report it.", 1, as_json)
        named = [] if "No such command" in describe() else _command_words(words)
        hint = f"See: dissect {' '.join(named)} --help".replace("  ", " ")
        return _fail(f"{describe()} {hint}" if describe() else hint, 2, as_json)


def hoist(arguments: Sequence[str]) -> list[str]:
    """Move the options that hold everywhere to the front, so that they may stand after the command too. `--` ends the search."""
    front: list[str] = []
    rest: list[str] = []
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            rest += [word, *waiting]
            break
        if word in FLAGS or (word.split("=", 1)[0] in VALUED and "=" in word):
            front.append(word)
        elif word in VALUED:
            front += [word, *waiting[:1]]
            waiting = waiting[1:]
        else:
            rest.append(word)
    return front + rest


def _fail(message: str, code: int, as_json: bool) -> int:
    if as_json:
        write_json({"error": {"code": code, "message": message}})
    print(f"error: {message}", file=sys.stderr, flush=True)
    return code


def _command_words(words: Sequence[str]) -> list[str]:
    """The leading words that name a command or group, for the hint to its help."""
    names: list[str] = []
    for word in words[len([word for word in words if word in FLAGS]) :]:
        if word.startswith("-") or not word.isidentifier() or len(names) == 2:
            break
        names.append(word)
    grouped = ("runs", "data", "models", "captioner", "cache", "db", "jobs", "token")
    return names[:1] if names and names[0] not in grouped else names
