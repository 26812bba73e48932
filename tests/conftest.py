"""What all tests need before anything else is imported."""

import pylibsrtp  # noqa: F401 - TensorFlow loaded before it crashes the interpreter
import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browsers and servers share the machine with others: what fails there is tried again, twice at most."""
    for item in items:
        if item.get_closest_marker("browser") or item.get_closest_marker("service"):
            item.add_marker(pytest.mark.flaky(reruns=2))
