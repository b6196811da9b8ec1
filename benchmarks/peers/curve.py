"""The curve around a kill, as a picture. Needs matplotlib, which nothing else here does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .sinks import Missing

CURE = "the curve needs matplotlib: .venv/bin/python -m pip install 'matplotlib>=3.10'"


def check(path: Path) -> None:
    """Before minutes of measuring are lost.

    Raises:
        Missing: it is not installed, or there is no such folder to draw into.
    """
    if not path.parent.is_dir():
        raise Missing(f"there is no folder {str(path.parent)!r} for the curve: make it first")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise Missing(CURE) from None


def draw(path: Path, points: Sequence[tuple[float, float]], after: Sequence[float], kills: int) -> None:
    """Above: mails taken a second, by 10 ms around a kill; below: how soon each uncommitted job was on another node. Seconds."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (above, below) = plt.subplots(2, 1, figsize=(9, 5), height_ratios=(2, 1), layout="constrained")
    above.plot([1000 * at for at, _ in points], [rate for _, rate in points], color="#2060a0", linewidth=1)
    above.axvline(0, color="#c03030", linewidth=1)
    above.annotate("kill -9 of one of three nodes", (0, 0), xytext=(5, 6), textcoords="offset points", xycoords=("data", "axes fraction"))
    above.set_ylim(bottom=0)
    above.set_xlim(1000 * points[0][0], 1000 * points[-1][0])
    above.set_ylabel("mails taken a second")
    above.set_xlabel(f"milliseconds; by 10 ms, the mean of {kills} kills")
    below.hist([1000 * each for each in after], bins=40, color="#2060a0")
    below.set_xlabel("milliseconds from the kill until a job of the dead node was with a server through another one")
    below.set_ylabel(f"jobs, of {len(after)}")
    below.set_xlim(left=0)
    figure.savefig(path, dpi=110)
    plt.close(figure)
