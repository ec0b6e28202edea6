"""Options of the scripts of `run/`: help that starts with an example and fits a screen, and one spelling."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

WIDTH = 110  # characters of a line of help, at most
EXAMPLE = re.compile(r"^(?:python|accelerate launch) run/\w+\.py", re.MULTILINE)
OPTION = re.compile(r"^--\w[\w-]*")
SHIPPED_NAME = "mofm"  # as a value of these, in any folder that holds none of this name: the weights that come along
MODELS = ("model", "tokenizer", "teacher")
NO_HUB = "couldn't connect to"  # in what transformers says of a Hub that cannot be reached
REFUSALS = (ValueError, OSError, ImportError, FloatingPointError)  # whose message says what to do


def at_least(low: int) -> Callable[[str], int]:
    """Return the type of an option that is a whole number and not below `low`."""

    def number(given: str) -> int:
        if not re.fullmatch(r"[+-]?\d+", given) or int(given) < low:
            raise argparse.ArgumentTypeError(f"must be a whole number, at least {low}, got {given!r}")
        return int(given)

    return number


def make_place(path: str) -> list[Path]:
    """Make the folder of a file that is to be written when the work is done; return the new ones, innermost first.

    Raises:
        OSError: the file could not be written; saying why.
    """
    file = Path(path)
    if file.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file")
    if file.exists() and not os.access(file, os.W_OK):
        raise PermissionError(f"{path} cannot be written: permission denied")
    return make_folder(str(file.parent))


def make_folder(path: str) -> list[Path]:
    """Make a folder that is to be written to; return the new ones, innermost first.

    Raises:
        OSError: nothing could be written to it; saying why.
    """
    folder = Path(path).absolute()
    file = next((place for place in (folder, *folder.parents) if place.is_file()), None)
    if file is not None:
        raise NotADirectoryError(f"{path} cannot be a folder: {file} is a file")
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{path} cannot be written to: permission denied")
    return made


class _ShortHelp(argparse.Action):
    def __call__(self, parser: Any, *_: object) -> None:
        print(parser.short_help())
        parser.exit()


class CommandParser(argparse.ArgumentParser):
    """Parser of a script of `run/`: `--help` is what fits a screen, `--help-all` everything.

    Names of options may be written with "-" and with "_"; `--model mofm` names the weights that come along, wherever
    the script is started. Options of argument groups are seldom needed: the short help
    tells their names only.

    Args:
        doc: docstring of the script: what it does in a line, then examples that start with "python run/" or
            "accelerate launch run/", then anything else.
        others: of `argparse.ArgumentParser`.
    """

    def __init__(self, doc: str, **others: Any) -> None:
        layout = {"formatter_class": argparse.RawDescriptionHelpFormatter}
        super().__init__(description=doc, add_help=False, **layout | others)
        self.elsewhere: list[str] = []  # models that are no folder here
        self.add_argument("-h", "--help", action=_ShortHelp, nargs=0, default=argparse.SUPPRESS, help="this screen")
        self.add_argument("--help-all", action="help", help="all options, with their values and defaults")

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:
        given = sys.argv[1:] if args is None else args
        spelt = [OPTION.sub(lambda name: _spelt(name[0]), one) for one in given]
        parsed, rest = super().parse_known_args(spelt, namespace)
        for option in MODELS:
            if getattr(parsed, option, None) == SHIPPED_NAME and not os.path.exists(SHIPPED_NAME):
                from modeling_mofm.shipped import SHIPPED  # loaded here: help takes no second

                setattr(parsed, option, str(SHIPPED))
        named = [getattr(parsed, option, None) for option in MODELS]
        self.elsewhere = [name for name in named if isinstance(name, str) and not os.path.exists(name)]
        return parsed, rest

    def error(self, message: str) -> NoReturn:
        """End the script: its options are wrong. Of the usage, which may be a hundred lines, the help tells."""
        self.exit(2, f"{self.prog}: {message}\n{self.prog} --help tells its options\n")

    @contextmanager
    def refusals(
        self, *outputs: str | None, folder: str | None = None, new_folder: str | None = None
    ) -> Iterator[None]:
        """End the script with status 1 where what it does is refused, and print the reason without a traceback.

        Args:
            outputs: files that the script is to write at its end; what makes that impossible is refused before it
                begins. None is no file. Their folders are made, and go again with a refusal if nothing is in them.
            folder: that it is to write several files to, likewise.
            new_folder: the same, of a model; one that holds anything is refused.
        """
        made: list[Path] = []
        try:
            for path in outputs:
                made += make_place(path) if path else []
            if new_folder and Path(new_folder).is_dir() and any(Path(new_folder).iterdir()):
                raise FileExistsError(f"{new_folder} is not empty; name a new folder")
            for path in (folder, new_folder):
                made += make_folder(path) if path else []
            yield
        except REFUSALS as error:
            for new in made:
                with suppress(OSError):  # of one that is no longer empty
                    new.rmdir()
            hint = f"\n{', '.join(self.elsewhere)} is no folder here, and was looked for on the Hub"
            self.exit(1, f"{self.prog}: {error}{hint if self.elsewhere and NO_HUB in str(error) else ''}\n")

    def is_main(self, option: argparse.Action) -> bool:
        """Return whether the short help tells of an option."""
        return not {"--help", "--help-all"}.intersection(option.option_strings)

    def short_help(self) -> str:
        """Return the examples, what the script does, a line for each option, and the names of those of groups."""
        width = min(shutil.get_terminal_size().columns, WIDTH)
        paragraphs = (self.description or "").strip().split("\n\n")
        examples = [one for one in paragraphs if EXAMPLE.match(one)]
        said = [one for one in paragraphs if one not in examples]
        if self.prog.startswith("mofm "):  # as it was called
            examples = [EXAMPLE.sub(" ".join(self.prog.split()[:2]), one) for one in examples]
        positional, optional, *groups = self._action_groups
        main = [one for group in (positional, optional) for one in group._group_actions if self.is_main(one)]
        column = max(len(_name(option)) for option in main) + 4
        lines = [
            f"  {_name(option):{column - 2}}" + textwrap.shorten(_told(option), width - column, placeholder=" ...")
            for option in main
        ]
        for group in groups:
            names = " ".join(_name(option) for option in group._group_actions)
            lines += textwrap.wrap(f"{group.title}: {names}", width, initial_indent="  ", subsequent_indent="    ")
        return "\n\n".join(
            [*examples, *said, "\n".join(lines), "--help-all tells all options, with their values and defaults"]
        )


def _spelt(name: str) -> str:
    return name.replace("_", "-")


def _name(option: argparse.Action) -> str:
    return _spelt(option.option_strings[0]) if option.option_strings else str(option.metavar or option.dest)


def _told(option: argparse.Action) -> str:
    told = (option.help or "") % vars(option)
    return f"{told} (required)" if option.required and option.option_strings else told
