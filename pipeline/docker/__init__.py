"""The containers of this host, as Docker or Podman, which speaks its API, tell them, for the transform ``containers``.

``container`` understands one and is pure; ``engine`` finds the engine, ``follower`` keeps the table as the engine has it.
"""
