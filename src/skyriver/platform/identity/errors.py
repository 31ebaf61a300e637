"""What can go wrong with identities, in the caller's terms."""

from __future__ import annotations

from skyriver.kernel.errors import Conflict, InvalidInput, NotAllowed, NotAuthenticated, NotFound


class WrongCredentials(NotAuthenticated):
    """Address, password or tenant do not fit together; which of them, is not told."""

    code = "wrong_credentials"

    def __init__(self) -> None:
        super().__init__(
            "The address and the password do not fit together.",
            hint="Check both; if the address is known to several tenants, also send `tenant` (its slug).",
        )


class EmailTaken(Conflict):
    """The tenant has a user with this address."""

    code = "email_taken"

    def __init__(self, email: str) -> None:
        super().__init__(f"A user with the address {email} exists in this tenant.", hint="Change that user instead.")


class SlugTaken(Conflict):
    """Another tenant has this slug."""

    code = "slug_taken"

    def __init__(self, slug: str) -> None:
        super().__init__(f"The slug {slug!r} is taken.", hint="Choose another one.")


class LastOwner(Conflict):
    """A tenant without an owner could not be administered by anybody."""

    code = "last_owner"

    def __init__(self) -> None:
        super().__init__(
            "This is the tenant's last owner and must stay one.", hint="Make somebody else an owner first."
        )


class RoleTooHigh(NotAllowed):
    """Nobody may give, change or take a role above the own one."""

    code = "role_too_high"

    def __init__(self, role: str, own: str) -> None:
        super().__init__(
            f"You are {own} and cannot give, change or remove the role {role}.", hint="Ask an owner of your tenant."
        )


class WeakPassword(InvalidInput):
    """The password can be guessed."""

    code = "weak_password"


class NoSuchUser(NotFound):
    """No such user in this tenant."""

    code = "no_such_user"

    def __init__(self, user_id: str) -> None:
        super().__init__(f"There is no user {user_id}.", hint="GET /v1/users lists them.")


class NoSuchApiKey(NotFound):
    """No such API key in this tenant."""

    code = "no_such_api_key"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"There is no API key {key_id}.", hint="GET /v1/api-keys lists them.")
