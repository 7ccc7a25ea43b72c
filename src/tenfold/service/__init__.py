"""Bundles over HTTP, and a page to draw on.

Two kinds of processes. The one that speaks HTTP (:mod:`~tenfold.service.app` and what it stands on)
moves bytes and holds every limit; it decodes no image and parses no body. The workers
(:mod:`~tenfold.service.worker`) do that and compute: what a hostile image or a broken model can kill
is a worker, which is started again while the port stays open.
"""
