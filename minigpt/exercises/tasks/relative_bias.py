"""Lesson 13: T5's relative positions."""

import math

import torch
from torch import Tensor

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug


def relative_bias(T: int, table: Tensor, max_distance: int) -> Tensor:
    """What an encoder of T5 adds to its scores: table (n_buckets, H) -> (H, T, T), a row per query.

    Each pair of places has a bucket, by its distance: place of the key - place of the query. The
    first half of the buckets is for keys up to the query, the other half for keys after it. Within
    each, the first half again are for one distance each: 0, 1, 2, and so on. From there on buckets
    grow wider like the logarithm, and from `max_distance` on all distances share the last.
    """
    # BEGIN SOLUTION
    place = torch.arange(T)
    distance = place - place[:, None]  # (T, T): key - query
    half = len(table) // 2  # buckets for one direction
    near = half // 2  # so many distances have one of their own
    n = distance.abs()
    share = torch.log(n.clamp(min=1) / near) / math.log(max_distance / near)
    far = near + (share * (half - near)).long()
    bucket = torch.where(n < near, n, far.clamp(max=half - 1))
    bucket = bucket + (distance > 0) * half
    return table[bucket].permute(2, 0, 1)  # (H, T, T)
    # END SOLUTION


def cases() -> list[Case]:
    """Two places, a few, then past the last bucket; official T5's sizes. No distance lies at the edge of a bucket."""
    return [
        Case((2, material.numbers(8, 1), 7)),
        Case((5, material.numbers(12, 3, seed=1), 10), grad=True),
        Case((9, material.numbers(14, 2, seed=2), 23)),
        Case((15, material.numbers(12, 3, seed=3), 10)),
        Case((1, material.numbers(12, 2, seed=4), 10)),
        Case((15, material.numbers(32, 8, seed=5), 128)),
    ]


DISTANCE, HALF, NEAR, CAP = "place - place[:, None]", "len(table) // 2", "near = half // 2", "far.clamp(max=half - 1)"
BUCKET, AFTER, ABS = f"torch.where(n < near, n, {CAP})", "bucket + (distance > 0) * half", "distance.abs()"
LOG, RESULT = "torch.log(n.clamp(min=1) / near) / math.log(max_distance / near)", "table[bucket].permute(2, 0, 1)"

EXERCISE = Exercise(
    lesson="13",
    part=relative_bias,
    make_cases=cases,
    hints=(
        "First a (T, T) table of distances, then one of buckets, then pick rows: table[bucket].",
        "n = |distance| is its own bucket below near = n_buckets // 4; beyond, near + a share of the buckets left.",
        "The share is log(n / near) / log(max_distance / near), times half - near, cut to whole numbers, then clamped.",
    ),
    bugs=(
        bug(
            *("sign", "has query and key swapped: the distance turned round, or `.T`, which reverses all dimensions"),
            *(DISTANCE, "place[:, None] - place"),
        ),
        bug(
            *("no_log_buckets", "gives every distance a bucket of its own, until there are none left"),
            *(BUCKET, "n.clamp(max=half - 1)"),
        ),
        bug(
            *("one_direction", "has the decoder's buckets: keys after the query share that of distance 0"),
            *(HALF, "len(table)", ABS, "-distance.clamp(max=0)", AFTER, "bucket"),
        ),
        bug(
            *("no_direction", "does not tell keys after the query from those before it: half of the table is not used"),
            *(AFTER, "bucket"),
        ),
        bug(
            *("no_direction_whole", "has all buckets for the distance alone, whichever side the key is on"),
            *(HALF, "len(table)", AFTER, "bucket"),
        ),
        bug(
            *("one_too_early", "begins the buckets for keys after the query one too early, at half - 1"),
            *(AFTER, "bucket + (distance > 0) * (half - 1)"),
        ),
        bug("near_too_wide", "gives near + 1 a bucket of its own, too", "where(n < near,", "where(n <= near + 1,"),
        bug("zero_after", "sorts each token itself with the keys after it", "distance > 0", "distance >= 0"),
        bug(
            *("log_not_from_near", "takes the logarithm of the distance itself, not of its share of near"),
            *("n.clamp(min=1) / near", "n.clamp(min=1)"),
        ),
        bug(
            *("log_of_max", "divides by the logarithm of max_distance, not of its share of near"),
            *("max_distance / near", "max_distance"),
        ),
        bug("far_in_half", "spreads the far ones over half buckets, not over half - near", "* (half - near)", "* half"),
        bug("far_from_0", "numbers the far buckets from 0: near ones and far ones share", "far = near + ", "far = "),
        bug(
            *("linear_far", "gives all far buckets the same width, where they grow like the logarithm"),
            *(LOG, "(n - near) / (max_distance - near)"),
        ),
        bug("rounded", "rounds to the next bucket, where the part below 1 is cut off", ".long()", ".round().long()"),
        bug("ceil", "rounds up to the next bucket, where the part below 1 is cut off", ".long()", ".ceil().long()"),
        bug("not_capped", "has no last bucket: what is farther than max_distance falls out", CAP, "far"),
        bug("max_128", "has a max_distance of 128, whatever it is told", "max_distance / near", "128 / near"),
        bug("by_key", "goes by the key's place, not by the distance", DISTANCE, "place + 0 * place[:, None]"),
        bug(
            *("reshaped", "reshapes where it should permute: heads and places are mixed"),
            *(RESULT, "table[bucket].reshape(-1, T, T)"),
        ),
        bug("heads_last", "returns (T, T, H), the heads last", RESULT, "table[bucket]"),
        bug(
            *("masked", "hides the keys after the query, which an encoder sees"),
            *(RESULT, f"{RESULT}.masked_fill(distance > 0, -math.inf)"),
        ),
        bug(
            "one_head", "gives all heads the numbers of the first", RESULT, f"{RESULT}[:1].expand(table.shape[1], T, T)"
        ),
        bug("buckets_returned", "returns the buckets themselves", RESULT, "bucket"),
        bug("detach", "cuts the gradient off at the table: it would never learn", RESULT, f"{RESULT}.detach()"),
    ),
)
