"""What the service says about itself: logs (structlog), metrics (Prometheus), traces (OpenTelemetry).

:func:`start` sets all three up for one process; nothing here is imported by the stages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drumscribe.settings import Settings


def start(settings: Settings, service: str) -> None:
    """Set up logs and traces of this process; ``service`` names it (``"api"``, ``"worker-heavy"``)."""
    from drumscribe.observability import logs, traces

    logs.configure(settings)
    traces.configure(settings, service)
