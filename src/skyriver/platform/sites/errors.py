"""What can go wrong with sites and nodes, in the caller's terms."""

from __future__ import annotations

from skyriver.kernel.errors import Conflict, NotAuthenticated, NotFound


class NoSuchSite(NotFound):
    code = "no_such_site"

    def __init__(self, site_id: str) -> None:
        super().__init__(f"There is no site {site_id}.", hint="GET /v1/sites lists them.")


class NoSuchNode(NotFound):
    code = "no_such_node"

    def __init__(self, node_id: str) -> None:
        super().__init__(f"There is no node {node_id}.", hint="GET /v1/nodes lists them.")


class SlugTaken(Conflict):
    code = "slug_taken"

    def __init__(self, slug: str) -> None:
        super().__init__(f"A site with the slug {slug!r} exists already.", hint="Choose another slug.")


class NodeNameTaken(Conflict):
    code = "node_name_taken"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The site has a node named {name!r} already.",
            hint="Choose another name, or delete the old node first if this machine replaces it.",
        )


class BadJoinToken(NotAuthenticated):
    code = "bad_join_token"

    def __init__(self) -> None:
        super().__init__(
            "The join token is unknown, expired or used.", hint="Ask an operator for a new one (POST /v1/join-tokens)."
        )
