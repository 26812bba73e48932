"""What all tests need before anything else is imported."""

import pylibsrtp  # noqa: F401 - TensorFlow loaded before it crashes the interpreter
