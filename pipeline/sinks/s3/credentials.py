"""The credentials file that the tools of Amazon share: ``~/.aws/credentials``, one section for each profile.

It is read because the library that stores objects does not; everything else (environment, web identity, container, instance) is
the library's. Profiles that ask for a role or single sign-on are not resolved.
"""

import configparser
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline.api import NotConnected


class Keys(NamedTuple):
    """What a request is signed with."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""


def from_file(file: str | None, profile: str | None, environment: Mapping[str, str]) -> Keys | None:
    """The keys of a profile. None where neither file nor profile is named and the environment or the host has to do.

    Raises ``NotConnected`` where what is named is not there.
    """
    named = file is not None or profile is not None
    if not named and "AWS_ACCESS_KEY_ID" in environment:
        return None
    path = Path(file or environment.get("AWS_SHARED_CREDENTIALS_FILE") or _usual_place(environment))
    profile = profile or environment.get("AWS_PROFILE") or "default"
    parser = configparser.RawConfigParser()
    try:
        with path.open() as text:
            parser.read_file(text)
        section = parser[profile]
        return Keys(section["aws_access_key_id"], section["aws_secret_access_key"], section.get("aws_session_token", ""))
    except OSError as error:
        problem = f"cannot read {path}: {error.strerror}"
    except KeyError as error:
        problem = f"{path}: profile {profile} has no {error.args[0]}" if profile in parser else f"{path}: no profile {profile}"
    except (configparser.Error, ValueError):
        problem = f"{path} is no file of credentials"
    if named:
        raise NotConnected(problem)
    return None


def _usual_place(environment: Mapping[str, str]) -> str:
    home = environment.get("HOME") or os.path.expanduser("~")  # noqa: PTH111  may be "~" itself where there is none
    return f"{home}/.aws/credentials"
