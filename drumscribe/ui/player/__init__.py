"""The player: one component for listening, looking, and looping (see :func:`player` and :func:`song_player`)."""

from drumscribe.ui.player.component import Cue, Excerpt, Fader, Hands, Mix, Playable, Sheet, Track, Wave, player
from drumscribe.ui.player.song import song_player

__all__ = ["Cue", "Excerpt", "Fader", "Hands", "Mix", "Playable", "Sheet", "Track", "Wave", "player", "song_player"]
