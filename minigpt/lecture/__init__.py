"""Lectures to type live: each a plan, cut from the tested source, and a working file that runs in that source's place."""
