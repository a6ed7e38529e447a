"""`httpipe watch`: a full-screen terminal view of what a run keeps for views (``pipeline.live``). The one home of Textual.

``command`` begins: ``running`` has the run in a thread beside the screen, or the control socket of another one. ``gatherer``
keeps, in a thread of its own, what the screen shows: a ``listing`` of events, requests that are ``pending``, and the sums.
``app`` is the screen: a ``grid`` for each view (``columns`` says what stands there), the ``filter_bar``, ``details`` of an event.
"""
