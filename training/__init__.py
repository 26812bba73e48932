"""Synthesis of training audio, training, evaluation, and export of the hit network. Not imported by the product."""
