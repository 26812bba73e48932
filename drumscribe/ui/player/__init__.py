"""The player: one component for listening, looking, and looping (see :func:`player` and :func:`song_player`)."""

from drumscribe.ui.player.component import Excerpt, Fader, PlayerState, Track, Wave, player
from drumscribe.ui.player.song import song_player

__all__ = ["Excerpt", "Fader", "PlayerState", "Track", "Wave", "player", "song_player"]
