"""The page on which a browser shows what passes a pipeline: `httpipe ui`, and ``[ui]`` of a pipeline file.

``server``: uvicorn in a thread of its own. ``protocol``: how long a request may take. ``guard``: who may ask. ``app``: what is
answered. ``page/``: HTML, CSS and JavaScript as the browser gets them; nothing is built. Starlette and uvicorn are an extra and
are imported when a page is asked for.
"""
