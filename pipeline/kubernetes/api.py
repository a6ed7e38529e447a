"""The API server, as one to send requests to: who we are to it is read again for each of them."""

import ssl
from collections.abc import Mapping

from pipeline.following.requests import Server, UnreachableError
from pipeline.kubernetes.credentials import Cluster, CredentialsError

PODS = "/api/v1/pods"


def server_of(cluster: Cluster) -> Server:
    """Where a cluster's API server is."""

    def tls() -> ssl.SSLContext:
        try:
            return cluster.tls()
        except (OSError, CredentialsError) as error:
            raise UnreachableError(f"its certificates cannot be read: {error}") from error

    def fields() -> Mapping[str, str]:
        try:
            token = cluster.token()
        except (OSError, CredentialsError) as error:
            raise UnreachableError(f"its token cannot be read: {error}") from error
        return {"authorization": f"Bearer {token}"} if token else {}

    return Server("the API server", cluster.url, cluster.url, tls=tls, fields=fields)
