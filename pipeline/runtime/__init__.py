"""Runs a plan: starts and stops its parts in order, hears signals, reloads, answers those who ask from outside (``control``)."""
