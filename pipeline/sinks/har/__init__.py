"""The ``har`` sink: archives that browsers open, whole after every batch."""
