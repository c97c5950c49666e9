"""Lectures to type live: plans, cut from the tested source, and a working file that runs in that source's place."""
