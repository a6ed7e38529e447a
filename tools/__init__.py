"""What people and CI run while working on httpipe; none of it is installed."""
