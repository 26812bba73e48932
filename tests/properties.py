"""How many examples a property test tries: the same ones in every `make test`, twenty times as many in `make fuzz`."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

FUZZ = 20


def examples(count: int, *suppressed: HealthCheck) -> settings:
    """``count`` examples where the default of 100 does not fit; health checks to suppress beside those of all tests."""
    default = settings()
    times = FUZZ if settings.get_current_profile_name() == "fuzz" else 1
    return settings(max_examples=times * count,
                    suppress_health_check=[*default.suppress_health_check, *suppressed])  # fmt: skip
