"""What httpipe reports about itself: logs, metrics, health. Counts nothing by itself: it shows what others counted."""
