"""Listening while somebody plays: hits as they fall, bars as they fill.

    microphone ──▶ Take ──▶ LiveStream ──(worker process)──▶ StreamDetector ──▶ hits ──▶ Follower ──▶ bars

The network runs in a process of its own (:mod:`drumscribe.live.worker`), so that whoever takes in the sound stays
light and never stutters.
"""

from drumscribe.live.engine import LiveEngine, LiveStream
from drumscribe.live.follow import Follower
from drumscribe.live.take import Take

__all__ = ["Follower", "LiveEngine", "LiveStream", "Take"]
