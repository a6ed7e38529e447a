"""Following what a server tells of its objects, such as pods or containers, in the background of events.

``requests`` asks it, ``loop`` asks again where it fails, ``table`` keeps what it said by the names that events hold.
"""
