"""Batches as objects of an S3 bucket: ``sink`` steers, ``objects`` makes objects of a batch, ``credentials`` reads profiles.

``bucket`` is the home of obstore, ``parquet`` that of arro3.
"""
