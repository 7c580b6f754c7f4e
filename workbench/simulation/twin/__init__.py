"""The twin: an org's log turned into next week's revenue with a band (`forecast`), and into a world with the log's rates (`likened`).

log = read_log(folder)
told = forecast(log, now=now, random=random)     # Forecast, or Refusal with its reason; `view` shows it
twin = likened(columns(log), now)                # Twin or Refusal; `files.save` keeps it, `twin.spec` is a world to play in
"""

from workbench.simulation.twin.files import load, save
from workbench.simulation.twin.forecast import Forecast, forecast
from workbench.simulation.twin.parts import Refusal
from workbench.simulation.twin.world import Twin, likened

__all__ = ["Forecast", "Refusal", "Twin", "forecast", "likened", "load", "save"]
