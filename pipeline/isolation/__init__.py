"""A sink in a process of its own (``isolation = "process"``): whatever it does there, the pipeline goes on.

``sink`` is what the engine sees, a sink like any other; ``process`` the child process as its parent has it; ``child`` what runs
in it; ``messages``, ``failures`` and ``wire`` what the two send each other, and how. A batch is answered once; until then it is
the engine's, so that one that was in a process that died is written again.
"""
