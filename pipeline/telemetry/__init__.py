"""What httpipe reports about itself: logs, metrics, health. Counts nothing by itself: it shows what others counted.

Where is a metric made? It is declared in ``metrics``, with what it shows of a ``ComponentSnapshot``. The number is counted where
the thing happens: events in ``delivery.ledger``, what a component reports in ``Context.count``, totals of a transform in
``Transform.metrics``. ``runtime.units.snapshots`` puts the first two into the snapshot.
"""
