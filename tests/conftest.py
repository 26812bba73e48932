"""What all tests need before anything else is imported, and how much the property tests try."""

import pylibsrtp  # noqa: F401 - TensorFlow loaded before it crashes the interpreter
import pytest
from hypothesis import HealthCheck, settings

from drumscribe.runtime import cores

# how long an example takes says how busy the machine is
_UNTIMED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("ci", derandomize=True, **_UNTIMED)
settings.register_profile("fuzz", max_examples=2000, derandomize=False, print_blob=True, **_UNTIMED)
settings.load_profile("ci")  # `make fuzz` names the other

LONGEST = (
    "test_jobs_deployed", "test_celery", "test_browser_a", "test_browser_b", "test_browser_c", "test_training",
    "test_browser_d", "test_jobs", "test_rhythm_tracking", "test_containers", "test_api_docs", "test_hits",
    "test_browser_late", "test_tokens", "test_people", "test_admin", "test_sharing",
)  # fmt: skip
"""Files that take 20 s and more, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast files first, then the others, the longest in front: no worker is left alone with one at the end."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else -1)


@pytest.hookimpl(optionalhook=True)  # without xdist nobody asks
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: for half of their time, tests wait for servers and pages."""
    return cores() + 1
