"""Bulk input: reading CSV files."""
