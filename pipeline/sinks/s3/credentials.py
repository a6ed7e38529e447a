"""The credentials file that the tools of Amazon share: ``~/.aws/credentials``, one section for each profile.

It is read because the library that stores objects does not; everything else (environment, web identity, container, instance) is
the library's. Profiles that ask for a role or single sign-on are not resolved.
"""

import configparser
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline.api import NotConnected

_KEY = re.compile(r"[\x21-\x7e]+")
OF_ENVIRONMENT = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
)
"""What the library takes from the environment and writes into a request's header, where it panics over a line end."""


class Keys(NamedTuple):
    """What a request is signed with."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""


def wrong_key(text: str, *, optional: bool) -> str | None:
    """What is wrong with a key or a token, for behind its name; None where nothing is."""
    if not text:
        return None if optional else "is empty"
    return None if _KEY.fullmatch(text) else "has a space, a line end or what is not ASCII"


def check_environment(environment: Mapping[str, str]) -> None:
    """Raise ``NotConnected`` where a variable cannot be what it is meant for. One that is empty is none."""
    for name in OF_ENVIRONMENT:
        if wrong := wrong_key(environment.get(name, ""), optional=True):
            raise NotConnected(f"{name} of the environment {wrong}")


def from_file(file: str | None, profile: str | None, environment: Mapping[str, str]) -> Keys | None:
    """The keys of a profile. None where neither file nor profile is named and the environment or the host has to do.

    Raises ``NotConnected`` where what is named is not there, or a key cannot be one.
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
        keys = Keys(section["aws_access_key_id"], section["aws_secret_access_key"], section.get("aws_session_token", ""))
    except OSError as error:
        problem = f"cannot read {path}: {error.strerror}"
    except KeyError as error:
        problem = f"{path}: profile {profile} has no {error.args[0]}" if profile in parser else f"{path}: no profile {profile}"
    except (configparser.Error, ValueError):
        problem = f"{path} is no file of credentials"
    else:
        for name, key in keys._asdict().items():
            if wrong := wrong_key(key, optional=name == "session_token"):
                raise NotConnected(f"{path}: profile {profile}: aws_{name} {wrong}")
        return keys
    if named:
        raise NotConnected(problem)
    return None


def _usual_place(environment: Mapping[str, str]) -> str:
    home = environment.get("HOME") or os.path.expanduser("~")  # noqa: PTH111  may be "~" itself where there is none
    return f"{home}/.aws/credentials"
