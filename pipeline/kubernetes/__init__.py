"""The pods of a Kubernetes cluster, as its API server tells them, for the transform ``kubernetes``.

``pod`` understands one, ``pods`` keeps them by container and address; both are pure. ``credentials`` and ``api`` reach the
server, ``follower`` keeps the table as the server has it.
"""
