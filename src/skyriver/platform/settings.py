"""Settings of the control plane: typed, frozen, checked once at the start, passed in."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class ControlPlaneSettings(BaseModel):
    """What an API process is told at its start."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_dir: Path = Field(description="Folder for the database, keys and certificates of this process.")
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=7000, ge=0, le=65535, description="TCP port to listen on; 0 picks a free one.")
    database_url: str = Field(
        default="", description="sqlite:///PATH or postgresql://…; empty: an SQLite file in data_dir."
    )
    bus_url: str = Field(
        default="", description="nats://HOST:PORT of the bus; empty: run without one (nodes cannot join)."
    )
    bus_user: str = Field(default="", description="User of the bus.")
    bus_password: str = Field(default="", repr=False, description="Password of that user.")
    node_bus_url: str = Field(
        default="", description="Address of the bus as nodes reach it; empty: the same as bus_url."
    )
    node_bus_user: str = Field(default="agent", description="User of the bus that nodes are given; a limited one.")
    node_bus_password: str = Field(default="", repr=False, description="Password of that user.")
    public_url: str = Field(
        default="", description="Address under which people reach the console; empty: http://HOST:PORT."
    )

    @property
    def store_url(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.data_dir / 'skyriver.db'}"
