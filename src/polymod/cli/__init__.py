"""The command line: `polymod train`, `polymod compare`, `polymod backends`."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from .._version import __version__
from ..errors import PolymodError
from . import backends, compare, train

INTERRUPTED = 130  # 128 + SIGINT, as a shell has it
BAD_INPUT = 2
PIPE_CLOSED = 141  # 128 + SIGPIPE


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors take one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = OneLineParser(prog="polymod", description="Neural networks on any array library.")
    top.add_argument("--version", action="version", version=f"polymod {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    known: dict[str, tuple[str, Callable[[Any], None] | None, Callable[[Any], int]]] = {
        "train": ("train a model on real images", train.add_arguments, train.run),
        "compare": (
            "train the same model on several engines and compare the losses",
            compare.add_arguments,
            compare.run,
        ),
        "backends": ("list the engines, and what mends those that can't be used", None, backends.run),
    }
    for name, (purpose, add_arguments, run) in known.items():
        command = commands.add_parser(
            name,
            help=purpose,
            description=purpose[0].upper() + purpose[1:] + ".",
            formatter_class=_Help,
        )
        if add_arguments is not None:
            add_arguments(command)
        command.set_defaults(run=run)
    return top


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the defaults that are values; the others say in words what happens."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default is None else super()._get_help_string(action)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` (by default the process's arguments) gives.

    Returns:
        0 where all went well; 1 where `compare` found a difference beyond its bound; 2 for bad input, after
        one line on stderr that says what to do; 130 after Ctrl-C.
    """
    try:
        args = parser().parse_args(argv)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of overflow; the check of the loss tells what to do
            code = args.run(args)
        sys.stdout.flush()
        return code
    except SystemExit as stop:  # argparse ends so after --help, --version and errors
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except (PolymodError, OSError) as error:
        print(f"polymod: error: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
