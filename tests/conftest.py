"""What all tests need before anything else is imported, and how much the property tests try."""

import pylibsrtp  # noqa: F401 - TensorFlow loaded before it crashes the interpreter
from hypothesis import HealthCheck, settings

# how long an example takes says how busy the machine is
_UNTIMED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("ci", derandomize=True, **_UNTIMED)
settings.register_profile("fuzz", max_examples=2000, derandomize=False, print_blob=True, **_UNTIMED)
settings.load_profile("ci")  # `make fuzz` names the other
