"""The studio's pure parts: no streamlit runs here."""

from __future__ import annotations

import doctest
import io
import wave
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ui_songs import song

from drumscribe.errors import EditError, StorageError
from drumscribe.kit import DRUMS, LABELS
from drumscribe.song import edits
from drumscribe.types import Hit, Hits
from drumscribe.ui import clips, envelope, excerpt, labels, panels, plots, recounting, review, tables, theme
from drumscribe.ui.envelope import Envelope
from drumscribe.ui.sound import Recording


@pytest.fixture(scope="module")
def found():
    return song(8)


@pytest.fixture(scope="module")
def where(found):
    return tables.places([*found.hits, *found.rejected], found.rhythm, found.grid)


@pytest.mark.parametrize("module", [labels, theme, envelope])
def test_examples_in_docstrings(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("label", LABELS)
def test_thin_lines_stand_out_in_both_themes(label, dark):
    assert theme.contrast(theme.line_colour(label, dark=dark), theme.PALETTES[dark].page) >= 3


@pytest.mark.parametrize("dark", [False, True])
def test_text_is_readable_in_both_themes(dark):
    colours = theme.PALETTES[dark]
    assert theme.contrast(colours.text, colours.page) >= 7
    assert theme.contrast(colours.muted, colours.page) >= 4.5


# envelopes and clips


@given(
    length=st.integers(1, 40_000), start=st.floats(0, 0.9), share=st.floats(0.01, 1), bins=st.integers(1, 300),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_envelope_bounds_the_samples(length, start, share, bins, seed):
    samples = np.random.default_rng(seed).uniform(-1, 1, (2, length)).astype(np.float32)
    shape = Envelope.of(samples, 1000)
    first = start * length / 1000
    times, low, high = shape.window(first, first + share * length / 1000, bins=bins)
    assert len(times) == len(low) == len(high) <= bins + 2
    assert (low <= high).all() and (np.diff(times) > 0).all()
    if len(times):
        inside = samples.mean(axis=0)[round(first * 1000) : round((first + share * length / 1000) * 1000)]
        assert high.max() >= inside.max() - 1e-6 and low.min() <= inside.min() + 1e-6


def test_a_single_hit_is_seen_at_every_zoom():
    samples = np.zeros((1, 44_100 * 60), np.float32)
    samples[0, 44_100 * 30] = 1.0
    shape = Envelope.of(samples, 44_100)
    for start, end in ((0, 60), (29, 31), (29.99, 30.01)):
        times, _, high = shape.window(start, end)
        peak = times[int(high.argmax())]
        assert high.max() == 1.0 and abs(peak - 30) <= (end - start) / 1000


def test_spectrogram_finds_the_pitch():
    seconds = np.arange(44_100) / 44_100
    tone = np.sin(2 * np.pi * 1000 * seconds).astype(np.float32)[None]
    times, frequencies, levels = envelope.spectrogram(tone, 44_100, 0, 1)
    assert levels.shape == (len(frequencies), len(times))
    loudest = frequencies[levels[:, len(times) // 2].argmax()]
    assert abs(np.log2(loudest / 1000)) < 1 / 12


def test_spectrogram_of_nothing():
    times, _, levels = envelope.spectrogram(np.zeros((1, 0), np.float32), 44_100, 0, 1)
    assert len(times) == 0 and levels.shape[1] == 0


def test_clips_stay_inside_the_recording():
    samples = np.ones((2, 1000), np.float32)
    assert len(clips.cut(samples, 1000, -1, 0.5)) == 500
    assert len(clips.cut(samples, 1000, 0.9, 5)) == 100
    assert len(clips.cut(samples, 1000, 2, 3)) == 0


def test_clips_begin_and_end_softly_and_leave_the_recording_alone():
    samples = np.ones((1, 44_100), np.float32)
    piece = clips.cut(samples, 44_100, 0.2, 0.4)
    assert piece[0] == piece[-1] == 0 and piece[len(piece) // 2] == 1
    assert samples.min() == 1


def test_wav_opens_and_quiet_hits_are_raised():
    quiet = 0.01 * np.sin(np.arange(4410) / 5).astype(np.float32)
    with wave.open(io.BytesIO(clips.wav(quiet, 44_100))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (44_100, 1, 4410)
        read = np.frombuffer(file.readframes(4410), "<i2")
    assert 0.65 < np.abs(read).max() / 32767 < 0.75


def test_montage_holds_every_hit():
    samples = np.ones((1, 44_100), np.float32)
    piece = clips.montage(samples, 44_100, [0.1, 0.5], length_s=0.1, gap_s=0.1)
    assert len(piece) == pytest.approx(4 * 4410, abs=4)
    assert len(clips.montage(samples, 44_100, [])) > 0


def test_recording_reads_slices_like_an_array(tmp_path):
    import soundfile

    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 5000)).astype(np.float32)
    soundfile.write(tmp_path / "a.flac", samples.T, 44_100)
    recording = Recording(tmp_path / "a.flac")
    assert recording.shape == (2, 5000)
    np.testing.assert_allclose(recording[:, 1000:1500], samples[:, 1000:1500], atol=1e-4)
    assert recording[:, 4990:6000].shape == (2, 10)
    assert recording[:, 10:10].shape == (2, 0)


def test_a_missing_recording_says_what_to_do(tmp_path):
    with pytest.raises(StorageError, match="Transcribe the recording again"):
        Recording(tmp_path / "none.flac")


# the table


def test_every_hit_and_candidate_has_a_place(found, where):
    assert {hit.id for hit in found.hits} | {hit.id for hit in found.rejected} == where.keys()
    first = found.hits.by_id()[found.rhythm.placements[0].hit_id]
    assert str(where[first.id]) == "1:1" and abs(where[first.id].deviation_s) < 0.01


def test_rows_show_the_hits(found, where):
    ids = [hit.id for hit in found.hits]
    rows = tables.frame(ids, found.hits, found.hits, where, frozenset(ids[:1]))
    assert list(rows.columns) == list(tables.COLUMNS) and list(rows.index) == ids
    assert rows["mark"].tolist()[:2] == [True, False]
    assert rows["drum"].iloc[0] == labels.NAMES[found.hits[0].drum]


def test_filters(found, where):
    snares = tables.shown(found.hits, where, tables.Filter(drums=("snare",)))
    by_id = found.hits.by_id()
    assert snares and {by_id[hit_id].drum for hit_id in snares} == {"snare"}
    doubtful = tables.shown(found.hits, where, tables.Filter(below=0.7))
    assert doubtful and all(by_id[hit_id].confidence <= 0.7 for hit_id in doubtful)
    second = tables.shown(found.hits, where, tables.Filter(first_bar=2, last_bar=2))
    assert second and {where[hit_id].bar for hit_id in second} == {2}
    assert tables.shown(found.hits, where, tables.Filter()) == [hit.id for hit in found.hits]


def test_typed_cells_become_one_edit_and_are_not_applied_twice(found):
    ids = [hit.id for hit in found.hits]
    typed = {"0": {"drum": "Ride cymbal"}, 1: {"velocity": 33}, 2: {"mark": True}}
    made = tables.changes(ids, found.hits, found.hits, typed)
    assert made.marks == {ids[2]: True}
    assert {(hit.id, hit.drum, hit.velocity) for hit in made.edit.added} == {
        (ids[0], "ride", found.hits[0].velocity),
        (ids[1], found.hits[1].drum, 33),
    }
    after = edits.apply(found.hits, made.edit)
    assert not tables.changes(ids, found.hits, after, typed).edit


def test_the_table_keeps_what_it_began_with_and_a_cell_typed_back_is_an_edit(found, where):
    ids = [hit.id for hit in found.hits]
    after = edits.apply(found.hits, tables.changes(ids, found.hits, found.hits, {0: {"drum": "China cymbal"}}).edit)
    rows = tables.frame(ids, found.hits, after, where)
    assert rows["drum"].iloc[0] == labels.NAMES[found.hits[0].drum] and rows["confidence"].iloc[0] == 1
    back = tables.changes(ids, found.hits, after, {}).edit
    assert [(hit.id, hit.drum) for hit in back.added] == [(ids[0], found.hits[0].drum)]


def test_rounded_times_are_no_edit(found):
    ids = [hit.id for hit in found.hits]
    typed = {row: {"time_s": round(hit.time_s, 3), "velocity": hit.velocity} for row, hit in enumerate(found.hits)}
    assert not tables.changes(ids, found.hits, found.hits, typed).edit


def test_rows_of_hits_that_are_gone_are_passed_over(found):
    ids = [hit.id for hit in found.hits]
    rest = edits.apply(found.hits, edits.delete(found.hits, ids[:1]))
    made = tables.changes(ids, found.hits, rest, {0: {"velocity": 20}, 10**6: {"velocity": 20}})
    assert not made.edit


def test_an_impossible_cell_is_refused(found):
    with pytest.raises(EditError):
        tables.changes([hit.id for hit in found.hits], found.hits, found.hits, {0: {"velocity": 400}})


# review


def hit(number: int, time_s: float, drum: str = "snare", confidence: float = 0.5, origin: str = "model") -> Hit:
    return Hit(number, time_s, drum, confidence, 90, origin)  # type: ignore[arg-type]


def test_queue_is_least_certain_first_and_leaves_out_what_was_decided():
    hits = Hits.of([hit(0, 0, confidence=0.6), hit(1, 1, confidence=0.3), hit(2, 2, confidence=0.9),
                    hit(3, 3, confidence=1.0, origin="user"), hit(4, 4, confidence=0.5)])  # fmt: skip
    assert [one.id for one in review.queue(hits, below=0.75, skipped=[4])] == [1, 0]


def test_alternatives_are_ranked_by_what_the_network_heard(found):
    ghost = next(one for one in found.hits if one.drum == "closed_hihat" and abs(one.time_s - 1.0) < 0.05)
    ranked = review.alternatives(found.activations, ghost, 14)
    assert ranked[0] == "snare" and ghost.drum not in ranked
    assert set(ranked) | {ghost.drum} == set(DRUMS)


def test_likes_are_looked_for_among_undecided_hits_of_the_same_drum():
    hits = Hits.of([hit(0, 0), hit(1, 1), hit(2, 2, drum="kick"), hit(3, 3, origin="user")])
    assert [one.id for one in review.alike_pool(hits, hit(0, 0))] == [1]


def test_excerpts_stay_within_the_song(found):
    bars = found.rhythm.bars
    assert review.bars_around(found.rhythm, 0)[0] == 0
    assert review.bars_around(found.rhythm, 1e6)[1] == len(bars) - 1
    first, last = review.bars_around(found.rhythm, bars[4].start_s + 0.1)
    assert (first, last) == (3, 6)
    assert review.bars_around(replace(found.rhythm, bars=()), 0) == (0, -1)


def test_an_excerpt_is_a_piece_of_its_own(found):
    piece = excerpt.cut(found.rhythm, 2, 4)
    assert [bar.number for bar in piece.bars] == [found.rhythm.bars[i].number for i in (2, 3, 4)]
    assert [bar.index for bar in piece.bars] == [0, 1, 2]
    inside = [place for place in found.rhythm.placements if 2 <= place.bar <= 4]
    assert len(piece.placements) == len(inside) and all(0 <= place.bar <= 2 for place in piece.placements)


def test_every_reading_is_drawn_over_the_same_two_bars(found):
    first_s, last_s = recounting.typical(found.rhythm)
    assert last_s - first_s == pytest.approx(4.0, abs=0.1)
    pictures = recounting.previews(found)
    assert len(pictures) == 1 + len(found.grid.alternatives) > 1
    assert all("<svg" in picture for picture in pictures) and len(set(pictures)) == len(pictures)
    for other in found.grid.alternatives:
        rhythm = recounting.recounted(found, other, first_s, last_s)
        low, high = recounting.bars_within(rhythm, first_s, last_s)
        assert rhythm.bars[low].meter == other.meter and high - low < 4
        assert rhythm.bars[low].start_s < first_s + 0.1 * 60 / other.bpm
    assert recounting.typical(replace(found.rhythm, bars=())) == (0.0, 0.0)


def test_an_excerpt_is_cropped_to_its_staff(found):
    from drumscribe import notation

    style = found.options.notate.model_copy(update={"legend": False})
    page = notation.to_svg(notation.notate(excerpt.cut(found.rhythm, 0, 2), style), [0])[0]
    cropped = excerpt.cropped(page)
    left, top, width, height = (float(part) for part in cropped.split('viewBox="')[1].split('"')[0].split())
    assert height < 500 < width and left > 0 and top > 0
    assert excerpt.cropped("<svg/>") == "<svg/>"


# figures


def view(found, where, **changes) -> plots.View:
    settings = {"start_s": 0.0, "end_s": 8.0, "palette": theme.PALETTES[False], "dark": False,
                "drums": plots.drums_of(found.hits), "where": where}  # fmt: skip
    return plots.View(**(settings | changes))


def test_timeline_shows_hits_with_their_ids_and_rejected_ones_apart(found, where):
    figure = panels.timeline(
        view(found, where, highlight=found.hits[3]), ["Hits", "Waveform", "Onset curves", "Spectrogram"],
        panels.Heard(
            found.hits, found.rejected, found.grid, found.activations, dict.fromkeys(LABELS, 0.5),
            waves=(Envelope.of(found.audio.samples, 44_100), None),
            spectrum=envelope.spectrogram(found.audio.samples, 44_100, 0, 8),
        ),
    )  # fmt: skip
    sure = {hit_id for trace in figure.data if trace.customdata is not None and "rejected" not in trace.name
            for hit_id in trace.customdata}  # fmt: skip
    weak = {hit_id for trace in figure.data if trace.customdata is not None and "rejected" in trace.name
            for hit_id in trace.customdata}  # fmt: skip
    assert sure == {one.id for one in found.hits.between(0, 8)}
    assert weak == {one.id for one in found.rejected if one.time_s < 8}
    assert figure.layout.yaxis4.domain[0] >= 0


def test_times_are_drawn_where_plotly_reads_milliseconds(found, where):
    heard = panels.Heard(found.hits, [], found.grid, found.activations, {})
    figure = panels.timeline(view(found, where), ["Hits"], heard)
    assert min(figure.layout.xaxis.range) > 10_000  # four digits would be a year


def test_a_long_window_stays_small():
    long = song(80)
    waves = Envelope.of(long.audio.samples, 44_100), None
    figure = panels.timeline(
        view(long, {}, end_s=long.song.duration_s), ["Hits", "Waveform", "Onset curves"],
        panels.Heard(long.hits, [], long.grid, long.activations, {}, waves),
    )  # fmt: skip
    curves = [len(trace.x) for trace in figure.data if trace.mode == "lines"]
    assert len(long.hits) > 1000 and max(curves) < 5_000


def test_figures_of_a_song_without_hits(found):
    bare = view(found, {}, drums=("kick",))
    heard = panels.Heard(Hits(), [], found.grid, found.activations, {})
    figure = panels.timeline(bare, ["Hits", "Waveform", "Onset curves"], heard)
    assert figure.layout.yaxis.range is not None
    assert plots.histogram(bare, Hits()).data and plots.timing(bare, Hits()) is not None


def test_timing_and_histogram_hold_every_hit(found, where):
    late = plots.timing(view(found, where), found.hits)
    placed = [one for one in found.hits if where[one.id].deviation_s is not None]
    assert sum(len(trace.x) for trace in late.data) == len(placed)
    assert sum(sum(trace.y) for trace in plots.histogram(view(found, where), found.hits).data) == len(found.hits)


def test_beats_are_counted_in_pulses():
    from drumscribe.types import Meter

    assert labels.beat(Fraction(1, 3), Meter(4, 4)) == "1.33"
    assert labels.beat(3, Meter(12, 8)) == "3"


def test_ago_counts_down_from_days():
    assert labels.ago(0, now=86_400 * 2) == "2 days ago" and labels.ago(0, now=61) == "1 minute ago"
