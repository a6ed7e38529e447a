"""`httpipe watch`: a full-screen terminal view of what a run keeps for views (``pipeline.live``). The one home of Textual.

``command`` begins: ``running`` has the run in a thread beside the screen, or the control socket of another one. ``gatherer``
keeps, in a thread of its own, what the screen shows: a ``listing`` of events, requests that are ``pending``, and the sums.
``app`` is the screen, with the ``bars`` above and below: the ``exchanges_view`` (which has the ``filter_bar``), the
``pipeline_view``, and tables. A table is a ``grid`` of ``columns``, their ``layout``, and an ``ordering``. Over it may lie the
``detail_screen`` (``details`` of an event in words) or the ``help_screen``.
"""
