"""What a run keeps of its newest events for those who look: the store, and what is added up from it. No view is known here.

``store``: the events themselves. ``series``: numbers of the last minutes. ``summary``: those of each endpoint, and of who calls
whom; ``endpoint_filter``: the exchanges of one. ``rows``, ``details``: one event in
words, with ``names`` of its ends and ``kinds`` that are no exchanges. ``view``: what a view is given.
"""
