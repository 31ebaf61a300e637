"""Sites, their nodes, and the tokens that machines join with."""

from skyriver.platform.sites.errors import BadJoinToken, NodeNameTaken, NoSuchNode, NoSuchSite, SlugTaken
from skyriver.platform.sites.records import JoinTokenRecord, NodeRecord, SiteRecord
from skyriver.platform.sites.sites import (
    JOIN_TOKEN_LIFETIME,
    Joining,
    create_join_token,
    create_site,
    delete_node,
    join,
    set_draining,
)

__all__ = [
    "JOIN_TOKEN_LIFETIME",
    "BadJoinToken",
    "JoinTokenRecord",
    "Joining",
    "NoSuchNode",
    "NoSuchSite",
    "NodeNameTaken",
    "NodeRecord",
    "SiteRecord",
    "SlugTaken",
    "create_join_token",
    "create_site",
    "delete_node",
    "join",
    "set_draining",
]
