\version "2.24.0"
#(define drumscribe-style '(
  (bassdrum default #f -3)
  (snare default #f 1)
  (sidestick cross #f 1)
  (himidtom default #f 3)
  (lowtom default #f 2)
  (lowfloortom default #f -1)
  (closedhihat cross #f 5)
  (openhihat cross open 5)
  (pedalhihat cross #f -5)
  (crashcymbal cross #f 6)
  (splashcymbal cross #f 7)
  (chinesecymbal xcircle #f 8)
  (ridecymbal cross #f 4)
  (ridebell harmonic-black #f 4)))
\header {
  title = "Street beat flams"
  composer = ""
  tagline = ##f
}
#(set-global-staff-size 18)
\paper {
  #(set-paper-size "a4")
  indent = 0
  top-margin = 12\mm bottom-margin = 12\mm left-margin = 15\mm right-margin = 15\mm
  ragged-last = ##f ragged-last-bottom = ##t ragged-bottom = ##t
  print-first-page-number = ##f
  oddHeaderMarkup = ##f evenHeaderMarkup = ##f
  oddFooterMarkup = \markup \fill-line { \unless \on-first-page \fromproperty #'page:page-number-string }
  evenFooterMarkup = \oddFooterMarkup
  markup-system-spacing.padding = #2
  system-system-spacing = #'((basic-distance . 13) (minimum-distance . 10) (padding . 3) (stretchability . 20))
  score-system-spacing = #'((basic-distance . 14) (minimum-distance . 10) (padding . 3) (stretchability . 30))
}
\score {
  <<
    \new DrumStaff \with {
      drumStyleTable = #(alist->hash-table drumscribe-style)
      \omit TimeSignature \omit Stem \omit BarLine \magnifyStaff #2/3
    } \drummode { \cadenzaOn bd4 sn4 }
    \new Lyrics \with {
      \override LyricText.font-size = #-3 \override LyricSpace.minimum-distance = #1.5
    } \lyricmode { "Bass drum"4 "Snare drum"4 }
  >>
  \layout { ragged-right = ##t \context { \Score \omit BarNumber } }
}
marks = \drummode {
  \numericTimeSignature \compressEmptyMeasures
  \bar ".|:" \time 4/4 \tempo 4 = 116 s1*1/1 | \grace { s8 } s1*1/1 | s1*1/1 | \grace { s8 } s1*1/1 |  % 1
  \bar ":|.|:" \repeat volta 2 { \break \set Score.currentBarNumber = #9 \grace { s8 } s1*1/1 | \grace { s8 } s1*1/1 | \grace { s8 } s1*1/1 | \grace { s8 } s1*1/1 | }  % 9
}
hands = \drummode {
  \voiceOne \autoBeamOff
  \repeat percent 2 { <sn>8[ <sn>16 <sn>16] <sn>8[ <sn>16 <sn>16] \acciaccatura { sn8 } <sn>8[ <sn>8 \acciaccatura { sn8 } <sn>8 <sn>8] | \acciaccatura { sn8 } <sn>8[ <sn>16 <sn>16] <sn>8[ <sn>16 <sn>16] \acciaccatura { sn8 } <sn>8[ \acciaccatura { sn8 } <sn>8] \acciaccatura { sn8 } <sn>4 } |  % 1
  \repeat volta 2 { \repeat percent 4 { \acciaccatura { sn8 } <sn>4 <sn>16[ <sn>16 <sn>16 <sn>16] \acciaccatura { sn8 } <sn>4 <sn>16[ <sn>16 <sn>16 <sn>16] } | }  % 9
}
feet = \drummode {
  \voiceTwo \autoBeamOff \omit PercentRepeat \omit DoublePercentRepeat
  \repeat percent 2 { <bd>4 r4 \grace { s8 } <bd>4 \grace { s8 } r4 | \grace { s8 } <bd>4 r4 \grace { s8 } <bd>4 \grace { s8 } <bd>4 } |  % 1
  \repeat volta 2 { \repeat percent 4 { \grace { s8 } <bd>4 <bd>4 \grace { s8 } <bd>4 <bd>4 } | }  % 9
}
\score {
  \new DrumStaff \with {
    drumStyleTable = #(alist->hash-table drumscribe-style)
    \override RehearsalMark.self-alignment-X = #LEFT
    \override TupletBracket.bracket-visibility = #'if-no-beam
    \consists Merge_rests_engraver
    \override MultiMeasureRest.expand-limit = #1
    \override Parentheses.font-size = #-1
    \override Parentheses.padding = #0.1
  } << \new DrumVoice \marks \new DrumVoice \hands \new DrumVoice \feet >>
  \layout { }
}