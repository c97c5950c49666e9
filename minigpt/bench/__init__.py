"""`minigpt bench`: this project beside what one would use instead, in one run on one machine.

`table` says what is compared with what and the target ratio, `contest` how two are timed, `ratios` what the times
say, `contestants/` who takes part: a file each. `workers` gives each a process, `results` stores the run.
"""
