"""Apache Kafka for tests: the broker's jars.

``jars()`` gives the folder, or raises ``NotAvailable`` saying what is missing (Java 17, Maven, the network).
"""

from pathlib import Path

from tests import maven_jars
from tests.maven_jars import NotAvailable

__all__ = ["NotAvailable", "jars", "version"]

POM = Path(__file__).with_name("pom.xml")


def jars() -> Path:
    """The folder with all jars of the version that pom.xml names."""
    return maven_jars.jars(POM, "kafka")


def version() -> str:
    """The version of Apache Kafka in pom.xml."""
    return maven_jars.version(POM, "kafka")
