"""Which functions of a file are probed, and where: one module a library.

Each has ``find(code)``, which gives ``Found`` where the library is in the file and can be probed, ``Unsupported`` with a sentence
where it is there and cannot, and None where it is not there. ``look.py`` asks them in turn. They read the file and nothing else.
"""
