"""Weights of the networks: which there are, where they lie, and how they are fetched and checked."""
