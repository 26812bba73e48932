"""From a stem to hits: a convolutional network gives activations, peaks of them become hits.

>>> from drumscribe.hits import activations, pick  # doctest: +SKIP
>>> hits = pick(activations(stem, settings=settings), DetectOptions())  # doctest: +SKIP

Only :func:`activations` needs the network's engine (:mod:`drumscribe.hits.engines`), and imports it when it is called;
the rest is numpy.
"""

from drumscribe.hits.decode import candidates, display_thresholds, pick, similar
from drumscribe.hits.network import activations

__all__ = ["activations", "candidates", "display_thresholds", "pick", "similar"]
