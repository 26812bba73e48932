"""The two engines that run a hit network, behind one function: LiteRT for ``.tflite`` files, Keras for ``.keras``.

LiteRT (``ai-edge-litert``, the successor of TensorFlow Lite) is the default: it loads in a tenth of a second and takes
a tenth of TensorFlow's memory. Keras on TensorFlow is the reference: what is trained is exported to it, and
:func:`convert` makes the light file out of that one. Both give the same numbers to 1e-5.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from drumscribe.errors import BadWeightsError, EngineMissingError
from drumscribe.hits.features import BANDS, WINDOWS
from drumscribe.kit import LABELS
from drumscribe.runtime import cores
from drumscribe.storage.writing import write_atomic
from drumscribe.types import FloatArray

Run = Callable[[FloatArray], tuple[FloatArray, FloatArray, FloatArray]]
"""From features ``(frames, BANDS, windows)`` to onset, velocity, and embedding, ``(frames, …)`` each."""
LIGHT = ".tflite"
"""Suffix of the files that LiteRT runs; Keras runs all others."""
HEADS = ("onset", "velocity", "embedding")
_TODO = "Remove MODEL_URI to use the packaged model, or point it to a DrumScribe hit model."


def load(path: Path, threads: int, frames: int, stamp: int = 0) -> Run:
    """Load a network and make it ready for windows of one length.

    LiteRT's is made anew each time, in 5 ms: it goes, and its 90 MB, with the last reference. Keras' are kept.

    Args:
        path: file with outputs ``onset``, ``velocity`` (0–1) and ``embedding``; its suffix chooses the engine.
        threads: to compute on; 0: as many as there are cores. Keras heeds it for the first model of a process only.
        frames: of input.
        stamp: when the file was written, for a long-lived process whose model may be replaced meanwhile.

    Raises:
        BadWeightsError: if it is not a hit model.
        EngineMissingError: the engine for such files is not installed.
    """
    if path.suffix == LIGHT:
        return _light(path, threads or cores(), frames)
    return _keras(path, threads or cores(), frames, stamp)


def _wrong(path: Path, error: Exception, loaded: bool) -> BadWeightsError:
    problem = "is not a hit model of this version" if loaded else "is not a model that can be loaded"
    return BadWeightsError(f"{path.name} {problem}: {error}", _TODO)


def _light(path: Path, threads: int, frames: int) -> Run:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise EngineMissingError(
            "The hit model needs LiteRT, which is not installed here.",
            "Run 'pip install ai-edge-litert', or set HIT_ENGINE=keras where TensorFlow is installed.",
        ) from error
    loaded, one = False, threading.Lock()
    try:
        net = Interpreter(str(path), num_threads=threads)
        loaded = True
        forward = net.get_signature_runner("serving_default")  # makes room for each new length by itself
        hears = forward.get_input_details()["features"]["shape_signature"]
        if list(hears) not in ([1, -1, BANDS, len(WINDOWS)], [1, frames, BANDS, len(WINDOWS)]):
            raise ValueError("its input is not what the hit stage computes")
        heads = forward.get_output_details()
        if [heads[name]["shape"][-1] for name in HEADS[:2]] != [len(LABELS)] * 2:
            raise ValueError("its drums are not those of the drum table")
    except (ValueError, KeyError, RuntimeError, IndexError) as error:
        raise _wrong(path, error, loaded) from error

    def run(features: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        with one:  # an interpreter has one set of buffers
            heard = forward(features=features[None])
        return heard["onset"][0], heard["velocity"][0], heard["embedding"][0]

    return run


@lru_cache(maxsize=4)
def _keras(path: Path, threads: int, frames: int, stamp: int) -> Run:
    tf, model = _read_keras(path, threads)
    shape = (1, frames, BANDS, len(WINDOWS))

    def of_block(features: Any) -> Any:
        heads = model(features, training=False)
        return tuple(heads[name][0] for name in HEADS)

    # without autograph, which leaves its source files in the temporary folder when the process is killed
    forward = tf.function(of_block, input_signature=[tf.TensorSpec(shape, tf.float32)], autograph=False)
    try:
        heads = forward.get_concrete_function().structured_outputs
        if [head.shape[-1] for head in heads[:2]] != [len(LABELS)] * 2:
            raise ValueError("its drums are not those of the drum table")
    except (ValueError, KeyError, TypeError, tf.errors.OpError) as error:
        raise _wrong(path, error, loaded=True) from error

    def run(features: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        onset, velocity, embedding = forward(tf.constant(features[None]))
        return onset.numpy(), velocity.numpy(), embedding.numpy()

    return run


def _read_keras(path: Path, threads: int) -> tuple[Any, Any]:
    """TensorFlow, and the model in a ``.keras`` file."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import keras
        import tensorflow as tf
    except ImportError as error:
        raise EngineMissingError(
            f"{path.name} is run by Keras on TensorFlow, which is not installed here.",
            "Run 'pip install tensorflow keras', or use the file that 'drumscribe models convert' makes of it.",
        ) from error
    # RuntimeError: the process has used TensorFlow before, and its threads are what they are
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    try:
        return tf, keras.models.load_model(path, compile=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _wrong(path, error, loaded=False) from error


def convert(path: Path, target: Path) -> None:
    """Write the LiteRT file of a Keras hit model, for windows of any length.

    Raises:
        BadWeightsError: it is not a hit model.
        EngineMissingError: TensorFlow is not installed.
        StorageError: ``target`` cannot be written.
    """
    tf, model = _read_keras(path, cores())

    # a module saves what it tracks, and Keras 3's variables it does not know: the file would hold no weights
    tracking = tf.Module()
    tracking.weights = [variable.value for variable in model.variables]

    def heads(features: Any) -> dict[str, Any]:
        found = model(features, training=False)
        return {name: found[name] for name in HEADS}

    signature = [tf.TensorSpec((1, None, BANDS, len(WINDOWS)), tf.float32, name="features")]
    try:
        with tempfile.TemporaryDirectory() as folder:
            served = tf.function(heads, input_signature=signature, autograph=False)
            tf.saved_model.save(tracking, folder, signatures={"serving_default": served})
            light = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    except (ValueError, KeyError, TypeError, tf.errors.OpError) as error:
        raise _wrong(path, error, loaded=True) from error
    write_atomic(target, light)
