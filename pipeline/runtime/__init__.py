"""Runs a plan: starts and stops its parts in order, handles signals, reloads, answers who asks from outside (``control``)."""
