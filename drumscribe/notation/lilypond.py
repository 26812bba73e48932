r"""LilyPond source in ``\drummode``: the best engraving, and text that a user can go on editing.

One variable for what stands above the bars (``marks``), one for each voice. Words of users are string literals, in
which LilyPond runs no code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from drumscribe.choices import Noteheads
from drumscribe.kit import DRUMS
from drumscribe.notation.form import brackets, turns
from drumscribe.notation.heads import notehead
from drumscribe.notation.model import FLAGS, Event, Head, Measure, NoteType, Score
from drumscribe.notation.summary import SUMMARY_TITLE, grooves
from drumscribe.notation.text import lilypond_string

VERSION = "2.24.0"
NAMES = {
    "kick": ("bd", "bassdrum"), "snare": ("sn", "snare"), "cross_stick": ("ss", "sidestick"),
    "high_tom": ("tommh", "himidtom"), "mid_tom": ("toml", "lowtom"), "floor_tom": ("tomfl", "lowfloortom"),
    "closed_hihat": ("hhc", "closedhihat"), "open_hihat": ("hho", "openhihat"), "pedal_hihat": ("hhp", "pedalhihat"),
    "crash": ("cymc", "crashcymbal"), "splash": ("cyms", "splashcymbal"), "china": ("cymch", "chinesecymbal"),
    "ride": ("cymr", "ridecymbal"), "ride_bell": ("rb", "ridebell"),
}  # fmt: skip
"""LilyPond's short and long name of each drum; the names whose General MIDI key is the drum's."""
_STYLES = {"normal": "default", "x": "cross", "circle-x": "xcircle", "diamond": "harmonic-black"}
_VALUES: dict[NoteType, str] = {
    "whole": "1", "half": "2", "quarter": "4", "eighth": "8", "16th": "16", "32nd": "32", "64th": "64", "128th": "128",
}  # fmt: skip
_CENTRED = "\\once \\override MultiMeasureRest.staff-position = #0 "
_OVER_NOTES = "\\context { \\Score \\override VoltaBracketSpanner.outside-staff-padding = #2.5 } "
"""The numbers of endings hang below their brackets: without this, high notes touch them."""
_TITLE_LETTERS = 50
"""The longest title that fits on one line in its full size."""
_FIRST_PAGE = 9
"""Lines that the first page holds in any case; asked for more than there are, LilyPond splits them."""
_LEGEND_ROW = 11
"""Drums on one line of the legend."""
_MARKS = -1
"""The voice of the marks, which has no notes."""
_MIDDLE_LINE = 5 * 7 - 1  # B4, in staff steps from C0


def to_lilypond(score: Score, *, midi: bool = False) -> str:
    r"""Return the score as LilyPond source.

    Args:
        score: the chart.
        midi: write everything out (no similes, repeats unfolded) for a ``\midi`` block instead of a page.
    """
    measures = score.measures
    parts = [f'\\version "{VERSION}"', _style_table(score.style.noteheads), "" if midi else _paper(score)]
    if midi:
        measures = tuple(measures[i] for i in score.play_order())
        parts += [_variables(measures, "", plain=True), _score_block("", f"\\midi {{ {_first_tempo(score)} }}")]
        return "\n".join(parts)
    if score.style.legend and score.drums():
        parts.append(_legend(score))
    layout = _OVER_NOTES if any(measure.ending for measure in measures) else ""
    parts += [_variables(measures, ""), _score_block("", f"\\layout {{ {layout}}}")]
    if score.style.summary:
        parts += _summary(score)
    return "\n".join(part for part in parts if part)


def _first_tempo(score: Score) -> str:
    mark = next((measure.tempo for measure in score.measures if measure.tempo), None)
    return f"\\tempo 4 = {round(mark.quarter_bpm)}" if mark else ""


def _style_table(dialect: Noteheads) -> str:
    rows = []
    for label, row in DRUMS.items():
        position = row.octave * 7 + "CDEFGAB".index(row.step) - _MIDDLE_LINE
        script = "open" if label == "open_hihat" else "#f"
        rows.append(f"  ({NAMES[label][1]} {_STYLES[notehead(label, dialect)]} {script} {position})")
    return "#(define drumscribe-style '(\n" + "\n".join(rows) + "))"


def _paper(score: Score) -> str:
    lines = _bars_per_line(score)  # a last line of few bars is not stretched, and not left alone on its page
    return f"""\\header {{
  title = {_title(score.title)}
  composer = {lilypond_string(score.artist)}
  tagline = ##f
}}
#(set-global-staff-size 18)
\\paper {{
  #(set-paper-size "{score.style.paper}")
  indent = 0
  top-margin = 12\\mm bottom-margin = 12\\mm left-margin = 15\\mm right-margin = 15\\mm
  ragged-last = ##{"t" if 2 * lines[-1] <= max(lines) else "f"} ragged-last-bottom = ##t ragged-bottom = ##t
  print-first-page-number = ##f{" min-systems-per-page = 3" if len(lines) > _FIRST_PAGE else ""}
  oddHeaderMarkup = ##f evenHeaderMarkup = ##f
  oddFooterMarkup = \\markup \\fill-line {{ \\unless \\on-first-page \\fromproperty #'page:page-number-string }}
  evenFooterMarkup = \\oddFooterMarkup
  markup-system-spacing.padding = #2
  system-system-spacing = #'((basic-distance . 13) (minimum-distance . 10) (padding . 3) (stretchability . 20))
  score-system-spacing = #'((basic-distance . 14) (minimum-distance . 10) (padding . 3) (stretchability . 30))
}}"""


def _title(title: str) -> str:
    """One line where it fits, else smaller and on as many lines as it takes."""
    words = lilypond_string(title)
    if len(title) <= _TITLE_LETTERS:
        return words
    return f"\\markup \\override #'(line-width . 100) \\fontsize #-3 \\wordwrap-string {words}"


def _bars_per_line(score: Score) -> list[int]:
    """A multi-bar rest counts as one bar."""
    lines, resting = [0], 0
    for measure in score.measures:
        if measure.new_system:
            lines.append(0)
        lines[-1] += resting == 0
        resting = max(resting, measure.rest_run, 1) - 1
    return lines


def _length(quarters: Fraction, times: int = 1) -> str:
    whole = quarters / 4 * times
    return f"1*{whole.numerator}/{whole.denominator}"


@dataclass(frozen=True, slots=True)
class _Group:
    """Bars that are written in one go: ``bars`` as such, then the same again ``passes - 1`` times as simile."""

    first: int
    bars: int
    passes: int = 1

    @property
    def end(self) -> int:
        return self.first + self.bars * self.passes


def _groups(measures: Sequence[Measure], plain: bool) -> Iterator[_Group]:
    first = 0
    closed = turns(measures)
    while first < len(measures):
        group = _Group(first, 1)
        if not plain:
            if measures[first].rest_run:
                group = _Group(first, measures[first].rest_run)
            else:
                group = _similes(measures, first, 1, closed) or _similes(measures, first, 2, closed) or group
        yield group
        first = group.end


def _similes(measures: Sequence[Measure], first: int, bars: int, closed: frozenset[int]) -> _Group | None:
    """The group of one or two bars at ``first`` with the similes after it, up to a bar of ``closed``, if any."""
    end = first + bars
    while (end + bars <= len(measures) and all(found.simile == bars for found in measures[end : end + bars])
           and not closed & {end, end + bars - 1}):  # fmt: skip
        end += bars
    found = _Group(first, bars, (end - first) // bars)
    return found if found.passes > 1 and not any(m.simile for m in measures[first : first + bars]) else None


def _variables(measures: Sequence[Measure], suffix: str, *, plain: bool = False) -> str:
    """The music of ``measures`` as variables ``marks``, ``hands``, and ``feet``."""
    voices = max((len(measure.voices) for measure in measures), default=1)
    lines: list[list[str]] = [[] for _ in range(voices + 1)]
    before, after = _endings(measures)
    by_hand = due = False  # the passage has its bar lines by hand, and its last one is still to come
    for group in _groups(measures, plain):
        first, last = measures[group.first], measures[group.end - 1]
        start, opening, closing = "", "", ""
        if first.repeat_start and not plain:
            by_hand = _grace_follows(measures, group.first)
            start = '\\bar ".|:" ' if by_hand or group.first == 0 else ""
            opening = "" if by_hand else f"\\repeat volta {_times(measures, group.first)} {{ "
        if due:
            start = '\\bar ":|.|:" ' if first.repeat_start else '\\bar ":|." '
        due = bool(last.repeat_end and by_hand and not plain)
        if last.ending and not plain:
            opening, closing = before.get(group.first, ""), after.get(group.end - 1, "")
        elif last.repeat_end and not plain and not by_hand:
            closing = " }"
        rests = group.bars if first.rest_run and not plain else 0  # one skip, or LilyPond does not join the bars
        above = [_marks(measures[i], measures[i - 1] if i else None, plain, max(1, rests))
                 for i in range(group.first, group.first + 1 if rests else group.end)]  # fmt: skip
        end = ""
        if last.repeat_end > 2 and not last.ending and not plain:
            end = f' \\textEndMark \\markup \\italic "{last.repeat_end}×"'
        elif group.end == len(measures) and not plain and not last.repeat_end:
            end = ' \\bar "|."'
        comment = f"  % {first.number}"
        lines[0].append(f"{start}{opening}{' '.join(above)}{end}{closing}{comment}")
        for voice in range(voices):
            if rests:
                music = f"{_CENTRED}R" if voice == 0 else "s"
                music += _length(first.length, rests)
            else:
                music = " | ".join(_bar(found, voice) for found in measures[group.first : group.first + group.bars])
                if group.passes > 1:
                    music = f"\\repeat percent {group.passes} {{ {music} }}"
            lines[voice + 1].append(f"{opening}{music} |{closing}{comment}")
    modes = [
        "\\numericTimeSignature \\compressEmptyMeasures",
        "\\voiceOne \\autoBeamOff" if voices > 1 else "\\oneVoice \\stemUp \\autoBeamOff",
        "\\voiceTwo \\autoBeamOff \\omit PercentRepeat \\omit DoublePercentRepeat",
    ]
    out = []
    for name, mode, body in zip(("marks", "hands", "feet"), modes, [*lines, []][:3], strict=True):
        joined = "\n  ".join(body)
        out.append(f"{name}{suffix} = \\drummode {{\n  {mode}\n  {joined}\n}}")
    return "\n".join(out)


def _endings(measures: Sequence[Measure]) -> tuple[dict[int, str], dict[int, str]]:
    r"""What stands before and what after bars of endings (by index): ``\alternative`` closes with its ``\repeat``."""
    before, after = {}, {}
    for bars in brackets(measures):
        first, follows = not measures[bars.start - 1].ending, measures[bars.stop : bars.stop + 1]
        passes = ",".join(map(str, measures[bars.start].ending))
        before[bars.start] = ("\\alternative { " if first else "") + f"\\volta {passes} {{ "
        after[bars.stop - 1] = " }" if follows and follows[0].ending else " } } }"
    return before, after


def _grace_follows(measures: Sequence[Measure], start: int) -> bool:
    r"""Whether a grace note begins the bar after the repeated passage: ``\repeat`` puts its bar line behind that.

    ``\alternative`` does not.
    """
    end = next((i for i in range(start, len(measures)) if measures[i].repeat_end), len(measures)) + 1
    if end >= len(measures) or measures[end - 1].ending:
        return False
    return bool(_grace_spacer(measures[end], _MARKS, Fraction(0)))


def _times(measures: Sequence[Measure], start: int) -> int:
    return next((measure.repeat_end for measure in measures[start:] if measure.repeat_end), 2)


def _marks(measure: Measure, previous: Measure | None, plain: bool, bars: int) -> str:
    found = []
    if measure.new_system and not plain:
        found.append("\\break")
    if measure.show_meter or previous is None or previous.meter != measure.meter:
        found.append(f"\\time {measure.meter}")
    if measure.pickup:
        found.append(f"\\partial {_length(measure.length)}")
    if not plain:
        if previous and (previous.count_in or measure.number > previous.number + 1):
            # a count-in has no number, and after a repeat bars are numbered as played
            found.append(f"\\set Score.currentBarNumber = #{measure.number}")
        if measure.rehearsal:
            found.append(f"\\mark \\markup \\box \\bold {lilypond_string(measure.rehearsal)}")
        if measure.tempo:
            found.append(f"\\tempo {_VALUES[measure.tempo.beat]}{'.' * measure.tempo.dots} = {measure.tempo.bpm}")
        if measure.dynamic:
            found.append(f"<>\\{measure.dynamic}")
        if measure.swing == "swing":
            found.append("<>^\\markup { \\italic Swing \\hspace #0.5 \\rhythm { 8[ 8] } = "
                         "\\rhythm { \\tuplet 3/2 { 4 8 } } }")  # fmt: skip
        elif measure.swing:
            found.append("<>^\\markup \\italic Straight")
        if measure.text:
            found.append(f"<>^\\markup \\italic {lilypond_string(measure.text)}")
    found.append(f"{_grace_spacer(measure, _MARKS, Fraction(0))}s{_length(measure.length, bars)} |")
    return " ".join(found)


def _bar(measure: Measure, voice: int) -> str:
    events = measure.voices[voice] if voice < len(measure.voices) else ()
    if not events:
        return f"{_grace_spacer(measure, voice, Fraction(0))}s{_length(measure.length)}"
    return " ".join(_event(measure, event, voice) for event in events)


def _grace_spacer(measure: Measure, voice: int, onset: Fraction) -> str:
    """Grace notes at one moment must stand in every voice, or LilyPond sets the voices apart."""
    for other, events in enumerate(measure.voices):
        for event in events:
            if other != voice and event.onset == onset and event.graces:
                return "\\grace { s8 } " if len(event.graces) == 1 else "\\grace { s16 s16 } "
    return ""


def _event(measure: Measure, event: Event, voice: int) -> str:
    value = _VALUES[event.type] + "." * event.dots
    opening, closing = "", ""
    if event.tuplet and event.tuplet_edge == "start":
        opening = f"\\tuplet {event.tuplet[0]}/{event.tuplet[1]} {{ "
    if event.tuplet_edge == "stop":
        closing = " }"
    before = _graces(event) or _grace_spacer(measure, voice, event.onset)
    if not event.heads:
        if event.whole_bar:
            rest = "s" if measure.pickup else f"{_CENTRED}R" if measure.silent else "R"
            return f"{before}{rest}{_length(measure.length)}"
        return f"{before}{opening}r{value}{closing}"
    chord = "<" + " ".join(_head(head) for head in event.heads) + ">"
    after = f":{2 ** (2 + FLAGS.get(event.type, 0) + event.slashes)}" if event.slashes else ""
    if event.beams:
        after += {"begin": "[", "end": "]"}.get(event.beams[0], "")
    if event.accent:
        after += "^>" if voice == 0 else "_>"
    return f"{opening}{before}{chord}{value}{after}{closing}"


def _head(head: Head) -> str:
    name = NAMES[head.drum][0]
    return f"\\parenthesize {name}" if head.ghost else name


def _graces(event: Event) -> str:
    names = [NAMES[head.drum][0] for head in event.graces]
    if not names:
        return ""
    if len(names) == 1:
        return f"\\acciaccatura {{ {names[0]}8 }} "
    return f"\\appoggiatura {{ {names[0]}16[ {' '.join(f'{name}16' for name in names[1:])}] }} "


def _staff(suffix: str) -> str:
    return f"""\\new DrumStaff \\with {{
    drumStyleTable = #(alist->hash-table drumscribe-style)
    \\override RehearsalMark.self-alignment-X = #LEFT
    \\override TupletBracket.bracket-visibility = #'if-no-beam
    \\consists Merge_rests_engraver
    \\override MultiMeasureRest.expand-limit = #1
    \\override Parentheses.font-size = #-1
    \\override Parentheses.padding = #0.1
  }} << \\new DrumVoice \\marks{suffix} \\new DrumVoice \\hands{suffix} \\new DrumVoice \\feet{suffix} >>"""


def _score_block(suffix: str, output: str) -> str:
    return f"\\score {{\n  {_staff(suffix)}\n  {output}\n}}"


def _legend(score: Score) -> str:
    """A small staff that shows each drum of the chart with its name."""
    drums = score.drums()
    ghosts = any(head.ghost for measure in score.measures for _, head in measure.heads())
    notes = [f"{NAMES[label][0]}4" for label in drums]
    words = [lilypond_string(DRUMS[label].name) + "4" for label in drums]
    if ghosts:
        notes.append("\\parenthesize sn4")
        words.append('"Ghost note"4')
    if len(notes) > _LEGEND_ROW:
        half = (len(notes) + 1) // 2
        notes.insert(half, '\\bar "" \\break')
    return f"""\\score {{
  <<
    \\new DrumStaff \\with {{
      drumStyleTable = #(alist->hash-table drumscribe-style)
      \\omit TimeSignature \\omit Stem \\omit BarLine \\magnifyStaff #2/3
    }} \\drummode {{ \\cadenzaOn {" ".join(notes)} }}
    \\new Lyrics \\with {{
      \\override LyricText.font-size = #-3 \\override LyricSpace.minimum-distance = #1.5
    }} \\lyricmode {{ {" ".join(words)} }}
  >>
  \\layout {{ ragged-right = ##t \\context {{ \\Score \\omit BarNumber }} }}
}}"""


def _summary(score: Score) -> list[str]:
    found = grooves(score)
    if not found:
        return []
    measures = tuple(groove.measure for groove in found)
    return [
        _variables(measures, "Summary"),
        _score_block(
            "Summary",
            f"\\header {{ piece = \\markup \\bold {lilypond_string(SUMMARY_TITLE)} }}\n"
            "  \\layout { \\context { \\Score \\omit BarNumber } }",
        ),
    ]
