r"""LilyPond source in ``\drummode``: the finest engraving, and text that a user can go on writing in.

One variable for what stands above the bars (``marks``), one for each voice. Words of users are string literals, in
which LilyPond runs no code.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from drumscribe.kit import DRUMS
from drumscribe.notation.heads import Dialect, notehead
from drumscribe.notation.model import FLAGS, Event, Head, Measure, NoteType, Score
from drumscribe.notation.summary import grooves
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
    parts += [_variables(measures, ""), _score_block("", "\\layout { }")]
    if score.style.summary:
        parts += _summary(score)
    return "\n".join(part for part in parts if part)


def _first_tempo(score: Score) -> str:
    mark = next((measure.tempo for measure in score.measures if measure.tempo), None)
    return f"\\tempo 4 = {round(mark.quarter_bpm)}" if mark else ""


def _style_table(dialect: Dialect) -> str:
    rows = []
    for label, row in DRUMS.items():
        position = row.octave * 7 + "CDEFGAB".index(row.step) - _MIDDLE_LINE
        script = "open" if label == "open_hihat" else "#f"
        rows.append(f"  ({NAMES[label][1]} {_STYLES[notehead(label, dialect)]} {script} {position})")
    return "#(define drumscribe-style '(\n" + "\n".join(rows) + "))"


def _paper(score: Score) -> str:
    return f"""\\header {{
  title = {lilypond_string(score.title)}
  composer = {lilypond_string(score.artist)}
  tagline = ##f
}}
#(set-global-staff-size 18)
\\paper {{
  #(set-paper-size "{score.style.paper}")
  indent = 0
  top-margin = 12\\mm bottom-margin = 12\\mm left-margin = 15\\mm right-margin = 15\\mm
  ragged-last = ##f ragged-last-bottom = ##t ragged-bottom = ##t
  print-first-page-number = ##f
  oddHeaderMarkup = ##f evenHeaderMarkup = ##f
  oddFooterMarkup = \\markup \\fill-line {{ \\unless \\on-first-page \\fromproperty #'page:page-number-string }}
  evenFooterMarkup = \\oddFooterMarkup
  markup-system-spacing.padding = #2
  system-system-spacing = #'((basic-distance . 13) (minimum-distance . 10) (padding . 3) (stretchability . 20))
  score-system-spacing = #'((basic-distance . 14) (minimum-distance . 10) (padding . 3) (stretchability . 30))
}}"""


def _length(quarters: Fraction, times: int = 1) -> str:
    whole = quarters / 4 * times
    return f"1*{whole.numerator}/{whole.denominator}"


def _variables(measures: Sequence[Measure], suffix: str, *, plain: bool = False) -> str:
    """The music of ``measures`` as variables ``marks``, ``hands``, and (where there are two voices) ``feet``."""
    voices = max((len(measure.voices) for measure in measures), default=1)
    lines: list[list[str]] = [[] for _ in range(voices + 1)]
    index = 0
    while index < len(measures):
        measure = measures[index]
        span = 1 if plain else max(1, measure.rest_run)
        passes = 1 if plain else _percent(measures, index)
        if passes > 1:
            span = passes * max(1, measures[index + 1].simile if measures[index + 1].simile else 1)
        group = measures[index : index + span]
        unit = group[: span // passes]
        final = ' \\bar "|."' if not plain and index + span >= len(measures) and not group[-1].repeat_end else ""
        opening = "" if plain else f"\\repeat volta {_times(measures, index)} {{ " if measure.repeat_start else ""
        closing = " }" if not plain and group[-1].repeat_end else ""
        if closing and not _opened(measures, index):
            closing = ""
        body = "".join(_marks(found, measures[index + k - 1] if index + k else None, plain) for k, found in
                       enumerate(group))  # fmt: skip
        end = f' \\textEndMark \\markup \\italic "{group[-1].repeat_end}×"' if closing and group[-1].repeat_end > 2 else ""
        lines[0].append(f"{opening}{body}{end}{closing}{final}  % {measure.number}")
        for voice in range(voices):
            if measure.rest_run and not plain:
                music = f"R{_length(measure.length, span)}" if voice == 0 else f"s{_length(measure.length, span)}"
            else:
                music = " | ".join(_bar(found, voice) for found in unit)
                if passes > 1:
                    music = f"\\repeat percent {passes} {{ {music} }}"
            lines[voice + 1].append(f"{opening}{music} |{closing}  % {measure.number}")
        index += span
    names = [f"marks{suffix}", f"hands{suffix}", f"feet{suffix}"]
    modes = [
        "\\numericTimeSignature",
        "\\voiceOne \\autoBeamOff" if voices > 1 else "\\oneVoice \\stemUp \\autoBeamOff",
        "\\voiceTwo \\autoBeamOff \\omit PercentRepeat \\omit DoublePercentRepeat",
    ]
    out = []
    for name, mode, body_lines in zip(names, modes, lines, strict=False):
        joined = "\n  ".join(body_lines)
        out.append(f"{name} = \\drummode {{\n  {mode}\n  {joined}\n}}")
    if voices == 1:
        out.append(f"feet{suffix} = {{ }}")
    return "\n".join(out)


def _percent(measures: Sequence[Measure], index: int) -> int:
    """How often the bar (or the two bars) at ``index`` is heard in a row, counting the similes after it."""
    following = index + 1
    if following < len(measures) and measures[following].simile == 1 and not measures[index].repeat_end:
        end = following
        while end < len(measures) and measures[end].simile == 1:
            end += 1
            if measures[end - 1].repeat_end:
                break
        return end - index
    two = index + 2
    if two + 1 < len(measures) and measures[two].simile == 2 and measures[following].simile == 0:
        end = two
        while end + 1 < len(measures) and measures[end].simile == 2:
            end += 2
        return (end - index) // 2
    return 1


def _times(measures: Sequence[Measure], start: int) -> int:
    return next((measure.repeat_end for measure in measures[start:] if measure.repeat_end), 2)


def _opened(measures: Sequence[Measure], index: int) -> bool:
    for measure in reversed(measures[: index + 1]):
        if measure.repeat_start:
            return True
    return False


def _marks(measure: Measure, previous: Measure | None, plain: bool) -> str:
    found = []
    if measure.new_system and not plain:
        found.append("\\break")
    if measure.show_meter or previous is None or previous.meter != measure.meter:
        found.append(f"\\time {measure.meter}")
    if measure.pickup:
        found.append(f"\\partial {_length(measure.length)}")
    if not plain:
        if measure.rehearsal:
            found.append(f'\\mark \\markup \\box \\bold "{measure.rehearsal}"')
        if measure.tempo:
            found.append(f"\\tempo {_VALUES[measure.tempo.beat]}{'.' * measure.tempo.dots} = {measure.tempo.bpm}")
        if measure.swing == "swing":
            found.append("<>^\\markup { \\italic Swing \\hspace #0.5 \\rhythm { 8[ 8] } = "
                         "\\rhythm { \\tuplet 3/2 { 4 8 } } }")  # fmt: skip
        elif measure.swing:
            found.append("<>^\\markup \\italic Straight")
        if measure.text:
            found.append(f"<>^\\markup \\italic {lilypond_string(measure.text)}")
    found.append(f"s{_length(measure.length)} |")
    return " ".join(found) + " "


def _bar(measure: Measure, voice: int) -> str:
    events = measure.voices[voice] if voice < len(measure.voices) else ()
    if not events:
        return _with_spacers(measure, voice, f"s{_length(measure.length)}")
    tokens = []
    for event in events:
        tokens.append(_event(measure, event, voice))
    return " ".join(tokens)


def _with_spacers(measure: Measure, voice: int, music: str) -> str:
    return f"{_grace_spacer(measure, voice, Fraction(0))}{music}"


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
            rest = f"s{_length(measure.length)}" if measure.pickup else f"R{_length(measure.length)}"
            return f"{before}{rest}"
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
    return f"""\\score {{
  <<
    \\new DrumStaff \\with {{
      drumStyleTable = #(alist->hash-table drumscribe-style)
      \\omit TimeSignature \\omit Stem \\omit BarLine \\magnifyStaff #2/3
    }} \\drummode {{ \\cadenzaOn {" ".join(notes)} }}
    \\new Lyrics \\with {{ \\override LyricText.font-size = #-3 }} \\lyricmode {{ {" ".join(words)} }}
  >>
  \\layout {{ ragged-right = ##t \\context {{ \\Score \\omit BarNumber }} }}
}}"""


def _summary(score: Score) -> list[str]:
    found = grooves(score)
    if not found:
        return []
    measures = tuple(groove.measure for groove in found)
    return [
        '\\markup \\vspace #1 \\markup \\bold \\large "Grooves in this chart"',
        _variables(measures, "Summary"),
        _score_block("Summary", "\\layout { \\context { \\Score \\omit BarNumber } }"),
    ]
