"""Conversations with instruction-tuned models."""
