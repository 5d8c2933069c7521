"""What a live session looks like in a terminal: a state becomes something that rich can draw, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from streaming.live.state import Level, LiveState, Reading

BAR = 32  # characters
LOWEST_DBFS = -60.0  # left end of the level bars
SNR_RANGE_DB = (-10.0, 30.0)  # ends of the bar
TOP_CLASSES = 3
EIGHTHS = " ▏▎▍▌▋▊▉█"
NOTES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
KEYS = "b bypass   r record   q quit"
# Properties that have a line of their own; the others share one.
PLACED = ("vad", "voicing", "f0_hz", "snr_db", "mixture_snr_db", "noise_class", "speaker_sex")
LEFT_OUT = ("f0_or_zero_hz",)  # says what f0_hz and voicing say


def bar(share: float, width: int = BAR) -> str:
    """Return a horizontal bar in eighths of a character.

    Example:
        >>> bar(0.5, 4), bar(2.0, 4), bar(float("nan"), 4)
        ('██  ', '████', '    ')
    """
    eighths = 0 if math.isnan(share) else round(min(1.0, max(0.0, share)) * width * 8)
    text = "█" * (eighths // 8) + (EIGHTHS[eighths % 8] if eighths % 8 else "")
    return text.ljust(width)


def note_name(f0_hz: float) -> str:
    """Return the nearest note of equal temperament (A4 = 440 Hz) and the deviation in cents.

    Example:
        >>> note_name(440.0), note_name(262.0), note_name(0.0)
        ('A4 +0', 'C4 +2', '')
    """
    if not (f0_hz > 0 and math.isfinite(f0_hz)):
        return ""
    exact = 69 + 12 * math.log2(f0_hz / 440.0)
    nearest = round(exact)
    return f"{NOTES[nearest % 12]}{nearest // 12 - 1} {100 * (exact - nearest):+.0f}"


def render(state: LiveState) -> RenderableType:
    """Draw a state.

    Args:
        state: of the session.

    Returns:
        Something for ``rich.console.Console.print`` or ``rich.live.Live``.
    """
    parts: list[RenderableType] = [_rows(_signal_rows(state))]
    if state.readings:
        parts += [Text(), _rows(_property_rows(state.readings))]
    if state.utilization is not None:
        parts += [Text(), _rows(_network_rows(state))]
    parts += [Text(), _footer(state)]
    title = Text("dyncp live", "bold")
    subtitle = Text(state.device, "dim")
    return Panel(Group(*parts), title=title, subtitle=subtitle, width=88, padding=(0, 2))


def plain_line(state: LiveState) -> str:
    """Return a state as one line of text, for logs.

    Args:
        state: of the session.

    Returns:
        Levels, what is known of vad, f0_hz, snr_db and noise_class, load, and what went wrong so far.
    """
    words = [
        f"{state.elapsed_s:.1f} s",
        f"in {state.noisy.rms_dbfs:.0f} dBFS",
        f"out {state.enhanced.rms_dbfs:.0f} dBFS",
    ]
    for reading in (state.readings or {}).values():
        if reading.spec.name in ("vad", "voicing", "f0_hz", "snr_db", "noise_class", "speaker_sex"):
            words.append(f"{reading.spec.name} {_value(reading)}")
    if state.utilization is not None:
        words.append(f"utilization {100 * state.utilization:.0f} %")
    words += [f"load {100 * state.load_median:.1f}/{100 * state.load_p99:.1f} %", _faults(state)]
    words += [
        word for word, true in (("bypass", state.bypass), (f"recording {state.recording}", state.recording)) if true
    ]
    return "  ".join([*words, state.message]).rstrip()


def _rows(rows: Iterable[tuple[str, str | Text, str | Text]]) -> Table:
    """Return lines of a name, a bar and a value."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", min_width=12, no_wrap=True)
    table.add_column(width=BAR, no_wrap=True)
    table.add_column(no_wrap=True)
    for name, drawing, value in rows:
        table.add_row(name, drawing, value)
    return table


def _signal_rows(state: LiveState) -> list[tuple[str, str | Text, str | Text]]:
    heard = "noisy" if state.bypass else "enhanced"
    return [
        ("input", _level_bar(state.noisy), _level_text(state.noisy)),
        ("output", _level_bar(state.enhanced), _level_text(state.enhanced)),
        (
            "heard",
            Text(f" {heard.upper()} ", "black on yellow" if state.bypass else "black on green"),
            _recorded(state),
        ),
    ]


def _recorded(state: LiveState) -> Text:
    return Text(f"● recording {state.recording}", "red") if state.recording else Text()


def _level_bar(level: Level) -> Text:
    """Return the RMS level as a bar and the peak as a mark; red at full scale."""
    text = Text(bar(1 - level.rms_dbfs / LOWEST_DBFS), "green")
    at = round((1 - level.peak_dbfs / LOWEST_DBFS) * (BAR - 1))
    if at > 0:
        at = min(at, BAR - 1)
        text = text[:at] + Text("│", "bold red" if level.peak_dbfs >= -0.1 else "bold yellow") + text[at + 1 :]
    return text


def _level_text(level: Level) -> str:
    return f"{level.rms_dbfs:6.1f} dBFS, peak {level.peak_dbfs:.1f}"


def _property_rows(readings: Mapping[str, Reading]) -> list[tuple[str, str | Text, str | Text]]:
    rows: list[tuple[str, str | Text, str | Text]] = []
    vad, voicing, f0 = (readings.get(name) for name in ("vad", "voicing", "f0_hz"))
    if vad is not None:
        decision = Text("SPEECH", "bold green") if vad.decision else Text("no speech", "dim")
        rows.append(("voice", _share_bar(vad.value, vad.decision), Text(f"{vad.value:.2f}  ") + decision))
    if f0 is not None:
        voiced = all(reading is None or reading.decision for reading in (voicing, vad))
        text = f"{f0.value:6.1f} Hz  {note_name(f0.value)}" if voiced else "  unvoiced"
        rows.append(("F0", _share_bar(math.log2(max(f0.value, 1.0) / 50) / math.log2(10) if voiced else 0.0), text))
    for name, title in (("snr_db", "SNR"), ("mixture_snr_db", "SNR, mean")):
        if name in readings:
            low, high = SNR_RANGE_DB
            value = readings[name].value
            rows.append((title, _share_bar((value - low) / (high - low)), f"{value:6.1f} dB"))
    if "noise_class" in readings:
        for rank, (label, share) in enumerate(readings["noise_class"].top(TOP_CLASSES)):
            rows.append(("" if rank else "noise", _share_bar(share, not rank), f"{100 * share:3.0f} %  {label}"))
    if "speaker_sex" in readings:
        sex = readings["speaker_sex"]  # 1 is male, see docs/targets.md
        name = "male" if sex.decision else "female"
        rows.append(("speaker", _share_bar(sex.value, False), f"{name}  (male {100 * sex.value:.0f} %)"))
    others = [reading for name, reading in readings.items() if name not in PLACED + LEFT_OUT]
    return rows + [("" if at else "also", *_pair(others[at : at + 2])) for at in range(0, len(others), 2)]


def _pair(readings: list[Reading]) -> tuple[str, str]:
    first, second = [f"{reading.spec.name} {_value(reading)}" for reading in readings] + [""] * (2 - len(readings))
    return first, second


def _value(reading: Reading) -> str:
    if reading.spec.kind == "category":
        label, share = reading.top(1)[0]
        return f"{label} {100 * share:.0f} %"
    if reading.spec.kind == "binary":
        return f"{reading.value:.2f}"
    return f"{reading.value:.2f}" if abs(reading.value) < 10 else f"{reading.value:.0f}"


def _share_bar(share: float, strong: bool = True) -> Text:
    return Text(bar(share), "cyan" if strong else "blue")


def _network_rows(state: LiveState) -> list[tuple[str, str | Text, str | Text]]:
    assert state.utilization is not None
    rows: list[tuple[str, str | Text, str | Text]] = [
        ("channels", Text(bar(state.utilization), "magenta"), f"{100 * state.utilization:5.1f} % active")
    ]
    for at in range(0, len(state.block_utilization), 3):
        shares = state.block_utilization[at : at + 3]
        drawn = Text()
        for number, share in enumerate(shares, at + 1):
            drawn += Text(f"{number:2d} ", "dim") + Text(bar(share, 6) + " ", "magenta")
        rows.append(("" if at else "in blocks", drawn, "  ".join(f"{100 * share:3.0f}" for share in shares) + " %"))
    median, high = 100 * state.load_median, 100 * state.load_p99
    style = "red" if state.load_p99 >= 1 else "yellow" if state.load_p99 >= 0.5 else "green"
    rows.append(("load", Text(bar(state.load_p99), style), f"{median:5.1f} % of real time, p99 {high:.1f} %"))
    return rows


def _footer(state: LiveState) -> Group:
    faults = Text(_faults(state), "red" if state.late_blocks or state.overruns or state.unusable_samples else "dim")
    last = Text(state.message, "yellow") if state.message else Text(KEYS, "dim")
    return Group(Text(f"latency {state.latency}", "dim"), faults, last)


def _faults(state: LiveState) -> str:
    unusable = f"  unusable samples {state.unusable_samples}" if state.unusable_samples else ""
    return (
        f"late {state.late_blocks}  lost {state.overruns}  "
        f"device: underflows {state.output_underflows}, overflows {state.input_overflows}{unusable}"
    )
