"""What the launcher says, and how it explains the failures of pip, npm and apt in the user's terms."""

from __future__ import annotations

import re
import sys
from pathlib import Path

_LAST_LINES = 12


class SetupProblem(Exception):
    """Set-up cannot go on; the message says what was attempted, why it failed and what to do."""


def say(message: str) -> None:
    """One line for the user, on stderr: stdout belongs to the command that is about to run."""
    print(f"skyriver: {message}", file=sys.stderr, flush=True)


# The first pattern that matches a tool's output names the cause; the order goes from the surest sign to the vaguest.
_CAUSES: tuple[tuple[str, str], ...] = (
    (
        r"No space left on device|ENOSPC|Disk quota exceeded",
        "the disk is full: free about 2 GB on the file system of this folder (and of the temporary folder)",
    ),
    (
        r"DO NOT MATCH THE HASHES|EINTEGRITY",
        "a downloaded file is not the one this version of Skyriver was made with: a broken download or an altered "
        "mirror; try again, and if it stays so, use another package mirror",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SELF_SIGNED_CERT|UNABLE_TO_GET_ISSUER_CERT|unable to get local issuer",
        "the package registry's certificate is not trusted here: behind an inspecting proxy, set PIP_CERT and "
        "NODE_EXTRA_CA_CERTS to its CA file",
    ),
    (
        r"Temporary failure in name resolution|Name or service not known|nodename nor servname|getaddrinfo|"
        r"ENOTFOUND|EAI_AGAIN|NameResolutionError",
        "the package registry's name cannot be resolved: connect this machine to a network, or configure your "
        "mirror (pip: PIP_INDEX_URL, npm: NPM_CONFIG_REGISTRY)",
    ),
    (
        r"ProxyError|Cannot connect to proxy|Tunnel connection failed",
        "the proxy refused the connection: check HTTPS_PROXY",
    ),
    (
        r"Connection refused|ECONNREFUSED|Network is unreachable|ENETUNREACH|timed out|ETIMEDOUT|ECONNRESET|"
        r"ConnectTimeoutError|NewConnectionError|Connection aborted|Connection broken|IncompleteRead",
        "the package registry cannot be reached: check the network or the proxy (HTTPS_PROXY), then run this again",
    ),
    (
        r"No matching distribution found for (?P<what>\S+)|Could not find a version that satisfies the requirement "
        r"(?P<also>\S+)",
        "pip found no ready-made package of {what} for Python {python} on this system. Either the package registry "
        "cannot be reached (or your mirror lacks that version), or there is none: Skyriver runs on Linux x86-64 and "
        "arm64 and on macOS arm64, with Python 3.11 to 3.13 (SKYRIVER_PYTHON chooses one)",
    ),
    (
        r"Permission denied|EACCES|Read-only file system|EROFS",
        "this folder cannot be written to: use a checkout of your own",
    ),
)


def explain(output: str) -> str:
    """The likely cause of a failed tool, from what it printed; empty when nothing is recognised."""
    for pattern, cause in _CAUSES:
        if match := re.search(pattern, output):
            named = {key: value for key, value in match.groupdict().items() if value}
            what = next(iter(named.values()), "a library").split("==")[0]
            return cause.format(what=what, python=f"{sys.version_info[0]}.{sys.version_info[1]}")
    return ""


def failure(attempt: str, output: str, log: Path) -> SetupProblem:
    """A problem that says what was attempted, the likely cause, the tool's last words and where all of them are."""
    cause = explain(output) or "the last lines below say why"
    tail = "\n".join(f"    {line}" for line in output.strip().splitlines()[-_LAST_LINES:])
    return SetupProblem(f"{attempt} failed: {cause}.\n{tail}\n  The whole output is in {log}.")
