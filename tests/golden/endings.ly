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
  title = "Endings"
  composer = ""
  tagline = ##f
}
#(set-global-staff-size 18)
\paper {
  #(set-paper-size "a4")
  indent = 0
  top-margin = 12\mm bottom-margin = 12\mm left-margin = 15\mm right-margin = 15\mm
  ragged-last = ##t ragged-last-bottom = ##t ragged-bottom = ##t
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
    } \drummode { \cadenzaOn bd4 sn4 tommh4 tomfl4 hhc4 hho4 cymc4 cymr4 }
    \new Lyrics \with {
      \override LyricText.font-size = #-3 \override LyricSpace.minimum-distance = #1.5
    } \lyricmode { "Bass drum"4 "Snare drum"4 "High tom"4 "Floor tom"4 "Closed hi-hat"4 "Open hi-hat"4 "Crash cymbal"4 "Ride cymbal"4 }
  >>
  \layout { ragged-right = ##t \context { \Score \omit BarNumber } }
}
marks = \drummode {
  \numericTimeSignature \compressEmptyMeasures
  \bar ".|:" \repeat volta 2 { \time 4/4 \mark \markup \box \bold "A" \tempo 4 = 100 s1*1/1 | s1*1/1 | s1*1/1 | s1*1/1 |  % 1
  \break s1*1/1 | s1*1/1 | s1*1/1 |  % 5
  \alternative { \volta 1 { s1*1/1 | }  % 8
  \volta 2 { \set Score.currentBarNumber = #16 \grace { s8 } s1*1/1 | } } }  % 16
  \repeat volta 4 { \break \mark \markup \box \bold "B" s1*1/1 | s1*1/1 | s1*1/1 |  % 17
  \alternative { \volta 1,2,3 { s1*1/1 | }  % 20
  \volta 4 { \set Score.currentBarNumber = #32 s1*1/1 | } } }  % 32
  \repeat volta 2 { \break \mark \markup \box \bold "C" s1*1/1 | s1*1/1 | s1*1/1 | s1*1/1 |  % 33
  \break s1*1/1 | s1*1/1 |  % 37
  \alternative { \volta 1 { s1*1/1 |  % 39
  s1*1/1 | }  % 40
  \volta 2 { \break \set Score.currentBarNumber = #47 s1*1/1 |  % 47
  \grace { s8 } s1*1/1 | \bar "|." } } }  % 48
}
hands = \drummode {
  \voiceOne \autoBeamOff
  \repeat volta 2 { \repeat percent 4 { <hhc>8[ <hhc>8 <sn hhc>8 <hhc>8] <hhc>8[ <hhc>8 <sn hhc>8 <hhc>8] } |  % 1
  \repeat percent 3 { <hhc>8[ <hhc>8 <sn hhc>8 <hhc>8] <hhc>8[ <hhc>8 <sn hhc>8 <hhc>8] } |  % 5
  \alternative { \volta 1 { <sn>16[ <sn>16 <sn>16 <sn>16] <sn>16[ <sn>16 <sn>16 <sn>16] <tommh>16[ <tommh>16 <tommh>16 <tommh>16] <tomfl>16[ <tomfl>16 <tomfl>16 <tomfl>16] | }  % 8
  \volta 2 { \acciaccatura { sn8 } <sn>4 \acciaccatura { sn8 } <sn>4 <sn>8[ <sn>8 <sn>8 <sn hho>8] | } } }  % 16
  \repeat volta 4 { \repeat percent 3 { <cymr>8[ <cymr>8 <sn cymr>8 <cymr>8] <cymr>8[ <cymr>8 <sn cymr>8 <cymr>8] } |  % 17
  \alternative { \volta 1,2,3 { <sn>16[ <sn>16 <sn>16 <sn>16] <sn>16[ <sn>16 <sn>16 <sn>16] <tommh>16[ <tommh>16 <tommh>16 <tommh>16] <tomfl>16[ <tomfl>16 <tomfl>16 <tomfl>16] | }  % 20
  \volta 4 { <cymc>4 <cymc>4 <cymc>4 <cymc>4 | } } }  % 32
  \repeat volta 2 { \repeat percent 4 { <hhc>8[ <hhc>8 <sn hhc>8 <hhc>8] <hhc>8[ <hhc>8 <sn hhc>8 <hhc>8] } |  % 33
  \repeat percent 2 { <hhc>8[ <hhc>8 <sn hhc>8 <hhc>8] <hhc>8[ <hhc>8 <sn hhc>8 <hhc>8] } |  % 37
  \alternative { \volta 1 { <sn>16[ <sn>16 <sn>16 <sn>16] <sn>16[ <sn>16 <sn>16 <sn>16] <tommh>16[ <tommh>16 <tommh>16 <tommh>16] <tomfl>16[ <tomfl>16 <tomfl>16 <tomfl>16] |  % 39
  <cymc>4 <cymc>4 <cymc>4 <cymc>4 | }  % 40
  \volta 2 { <cymc>4 <cymc>4 <cymc>4 <cymc>4 |  % 47
  \acciaccatura { sn8 } <sn>4 \acciaccatura { sn8 } <sn>4 <sn>8[ <sn>8 <sn>8 <sn hho>8] | } } }  % 48
}
feet = \drummode {
  \voiceTwo \autoBeamOff \omit PercentRepeat \omit DoublePercentRepeat
  \repeat volta 2 { \repeat percent 4 { <bd>4 r4 <bd>8[ <bd>8] r4 } |  % 1
  \repeat percent 3 { <bd>4 r4 <bd>8[ <bd>8] r4 } |  % 5
  \alternative { \volta 1 { <bd>4 <bd>4 <bd>4 <bd>4 | }  % 8
  \volta 2 { \grace { s8 } <bd>4 \grace { s8 } <bd>4 <bd>4 <bd>4 | } } }  % 16
  \repeat volta 4 { \repeat percent 3 { <bd>8[ <bd>8] r8 <bd>8 <bd>4 r4 } |  % 17
  \alternative { \volta 1,2,3 { <bd>4 <bd>4 <bd>4 <bd>4 | }  % 20
  \volta 4 { <bd>4 <bd>4 <bd>4 <bd>4 | } } }  % 32
  \repeat volta 2 { \repeat percent 4 { <bd>4 r4 <bd>8[ <bd>8] r4 } |  % 33
  \repeat percent 2 { <bd>4 r4 <bd>8[ <bd>8] r4 } |  % 37
  \alternative { \volta 1 { <bd>4 <bd>4 <bd>4 <bd>4 |  % 39
  <bd>4 <bd>4 <bd>4 <bd>4 | }  % 40
  \volta 2 { <bd>4 <bd>4 <bd>4 <bd>4 |  % 47
  \grace { s8 } <bd>4 \grace { s8 } <bd>4 <bd>4 <bd>4 | } } }  % 48
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
  \layout { \context { \Score \override VoltaBracketSpanner.outside-staff-padding = #2.5 } }
}