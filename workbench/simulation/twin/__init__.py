"""The twin: an org's log turned into next week's revenue with a band, and into a world with the log's rates."""

from workbench.simulation.twin.forecast import Forecast, forecast
from workbench.simulation.twin.parts import Refusal

__all__ = ["Forecast", "Refusal", "forecast"]
