"""Listening while somebody plays: each hit at once, each bar as soon as it ends.

    microphone ──▶ Take ──▶ LiveStream ──(worker process)──▶ StreamDetector ──▶ hits ──▶ Follower ──▶ bars

The network runs in a process of its own (:mod:`drumscribe.live.worker`), so that whoever takes in the sound stays
light and never stutters.
"""

from drumscribe.live.engine import LiveEngine, LiveStream
from drumscribe.live.follow import Follower
from drumscribe.live.ice import ice_servers
from drumscribe.live.take import Take

__all__ = ["Follower", "LiveEngine", "LiveStream", "Take", "ice_servers"]
