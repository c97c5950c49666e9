"""The exercises, one file each: the solution, what many get wrong in it, the cases, three hints."""
