"""Who takes part, a file each: us, the libraries that one would use instead, loops as others write them, the memory.

A function gets a task's options and returns what is timed: each call gives the seconds (or bytes) of one unit of the
work, and {"output": …, "notes": …}, by which the two of a row are compared before any time counts.
"""
