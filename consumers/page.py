"""docs/consumers.md: the table with its outcomes."""

from __future__ import annotations

import platform
from collections import Counter
from importlib import metadata
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "consumers.md"
PACKAGES = "numpy scipy scikit-learn array-api-extra einops opt_einsum array-api-compat torch jax".split()
MARKS = {
    "right": "right",
    "value": "value only",
    "wrong gradient": "**wrong gradient**",
    "wrong value": "**wrong value**",
    "refused": "refused",
}

HEAD = """# Libraries that run on polymod's Tensors

SciPy (`SCIPY_ARRAY_API=1`), scikit-learn (`array_api_dispatch=True`), array-api-extra, einops and opt_einsum, called as
published. Each call is made with float64 arrays of each library, and differentiated by its `vjp`.

- *right*: the value equals that on NumPy, and the gradient of a fixed random projection of all floating results equals
  finite differences of the call on NumPy (central, fourth order).
- *value only*: the value is right, and differentiating is refused with an error.
- *refused*: the call itself fails: the library hands the array to compiled code or to NumPy, or the array library lacks
  something, or there is no answer within a minute (most of jax's: it compiles every operation for every shape).
- *wrong gradient*, *wrong value*: what nobody wants; no error was raised.

Made by `python -m consumers --write`; `nox -s consumers` does so in an environment of its own.
Python {python}; {versions}.

"""


def write(outcomes: dict[str, dict[str, tuple[str, str]]]) -> None:
    """Write the page for the outcomes by engine and call."""
    engines = list(outcomes)
    names = list(outcomes[engines[0]])
    lines = [
        HEAD.format(
            python=platform.python_version(),
            versions=", ".join(f"{p} {_version(p)}" for p in PACKAGES),
        ),
        "| " + " | ".join(["outcome", *engines]) + " |",
        "|---|" + "---:|" * len(engines),
    ]
    counts = {e: Counter(outcome for outcome, _ in outcomes[e].values()) for e in engines}
    for outcome, mark in MARKS.items():
        lines.append(f"| {mark} | " + " | ".join(str(counts[e][outcome]) for e in engines) + " |")
    lines.append("| calls | " + " | ".join(str(len(names)) for _ in engines) + " |")
    lines += ["", "| call | " + " | ".join(engines) + " |", "|---|" + "---|" * len(engines)]
    for name in names:
        marks = (MARKS[outcomes[e][name][0]] for e in engines)
        lines.append(f"| `{name.replace('|', '/')}` | " + " | ".join(marks) + " |")
    first = engines[0]
    lines += ["", f"## Why not, on {first}", "", "| call | | |", "|---|---|---|"]
    for name in names:
        outcome, why = outcomes[first][name]
        if outcome != "right":
            text = why.replace("|", "/").replace("<", "&lt;")
            lines.append(f"| `{name.replace('|', '/')}` | {MARKS[outcome]} | {text} |")
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n".join(lines) + "\n")
    print(f"wrote {PAGE}")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "(none)"
