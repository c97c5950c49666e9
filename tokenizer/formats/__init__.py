"""Vocabularies in the field's file formats."""
