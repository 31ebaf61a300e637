"""Sites, their nodes, and the tokens that machines join with."""

from skyriver.platform.sites.errors import BadJoinToken, NodeNameTaken, NoSuchNode, NoSuchSite, SlugTaken
from skyriver.platform.sites.records import JoinTokenRecord, NodeRecord, SiteRecord
from skyriver.platform.sites.sites import (
    JOIN_TOKEN_LIFETIME,
    Joining,
    Machine,
    create_join_token,
    create_site,
    delete_node,
    describe_machine,
    join,
    set_draining,
)

__all__ = [
    "JOIN_TOKEN_LIFETIME",
    "BadJoinToken",
    "JoinTokenRecord",
    "Joining",
    "Machine",
    "NoSuchNode",
    "NoSuchSite",
    "NodeNameTaken",
    "NodeRecord",
    "SiteRecord",
    "SlugTaken",
    "create_join_token",
    "create_site",
    "delete_node",
    "describe_machine",
    "join",
    "set_draining",
]
