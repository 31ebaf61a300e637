"""The node agent: joins a machine to a cloud, and keeps its share of the work running, whoever else is away."""

from skyriver.apps.agent.agent import run
from skyriver.apps.agent.settings import AgentSettings

__all__ = ["AgentSettings", "run"]
