"""Lesson 07: how many numbers a GPT-2 has."""

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug
from minigpt.models.config import GPT2Config


def count_parameters(config: GPT2Config) -> int:
    """The number of parameters of a GPT-2 of these sizes: 124,439,808 for the smallest official
    one, GPT2Config()."""
    # BEGIN SOLUTION
    C = config.n_embd
    inner = config.n_inner
    wte = config.vocab_size * C
    wpe = config.n_ctx * C
    norm = C + C
    attention = 3 * C * C + 3 * C + C * C + C
    mlp = C * inner + inner + inner * C + C
    block = norm + attention + norm + mlp
    return wte + wpe + config.n_layer * block + norm
    # END SOLUTION


def cases() -> list[Case]:
    """Sizes that share no factor, one block, then the storyteller's."""
    return [
        Case((GPT2Config(vocab_size=11, n_ctx=7, n_layer=1, n_head=1, n_embd=2, n_inner=5),)),
        Case((GPT2Config(vocab_size=101, n_ctx=17, n_layer=3, n_head=2, n_embd=14, n_inner=37),)),
        Case((material.storyteller().config,)),
    ]


INNER, WPE, NORM = "inner = config.n_inner", "wpe = config.n_ctx * C", "norm = C + C"
BLOCK, WHOLE = "block = norm + attention + norm + mlp", "block = 2 * norm + attention + mlp"
RESULT = "return wte + wpe + config.n_layer * block + norm"

EXERCISE = Exercise(
    lesson="07",
    part=count_parameters,
    make_cases=cases,
    hints=(
        "Two tables, then n_layer blocks, then one norm. The output matrix is wte itself: it counts once.",
        "A Linear(m, n) has m · n + n numbers, a LayerNorm 2 C. A block has two norms and four Linears.",
        "A block: 3C·C + 3C, C·C + C, C·I + I, I·C + C and twice 2C. Besides: V·C, n_ctx·C, and 2C for ln_f.",
    ),
    bugs=(
        bug(
            *("head_counted", "counts the output matrix, too, which is wte again"),
            *(RESULT, f"{RESULT} + config.vocab_size * C"),
        ),
        bug("wpe_missing", "leaves out wpe, the table of positions", WPE, "wpe = 0"),
        bug("wte_missing", "leaves out wte, the table of tokens", "wte = config.vocab_size * C", "wte = 0"),
        bug(
            "ln_f_missing",
            "leaves out ln_f, the norm after the last block",
            f"{RESULT}",
            RESULT.removesuffix(" + norm"),
        ),
        bug("all_norms_missing", "leaves out all norms", NORM, "norm = 0"),
        bug("mlp_3x", "takes 3 · n_embd for the MLP's width", INNER, "inner = 3 * C"),
        bug("mlp_4x", "takes 4 · n_embd for the MLP's width, whatever config.n_inner says", INNER, "inner = 4 * C"),
        bug("one_block", "counts one block, whatever n_layer says", "config.n_layer * block", "block"),
        bug(
            *("mask_counted", "counts the causal mask of each block, which nothing learns"),
            *("config.n_layer * block", "config.n_layer * (block + config.n_ctx**2)"),
        ),
        # The rest changes the sum of a block. A sum does not say what it lacks: two of these make no pair, and what
        # others could lack as well is told by how many.
        bug(
            *("bias_missing", "leaves out the biases of the Linears"),
            *(BLOCK, f"{WHOLE} - (3 * C + C + inner + C)"),
        ),
        bug(
            *("mlp_bias_missing", "leaves out n_inner + C numbers in each block, as many as the MLP's biases are"),
            *(BLOCK, f"{WHOLE} - (inner + C)"),
        ),
        bug(
            *("norm_bias_missing", "counts one vector in each LayerNorm, which has two"),
            *(f"{BLOCK}\n    {RESULT}", f"{WHOLE} - 2 * C\n    {RESULT} - C"),
        ),
        bug(
            *("all_bias_missing", "leaves out all biases, those of the norms, too"),
            *(f"{BLOCK}\n    {RESULT}", f"{WHOLE} - 2 * C - (3 * C + C + inner + C)\n    {RESULT} - C"),
        ),
        bug(
            *("one_norm", "leaves out 2 C numbers in each block, as many as one of its two norms has"),
            *(BLOCK, "block = norm + attention + mlp"),
        ),
        bug(
            *(
                "block_norms_missing",
                "leaves out 4 C numbers in each block, as many as its norms, or attention's biases",
            ),
            *(BLOCK, "block = attention + mlp"),
        ),
        bug(
            *("mlp_once", "counts c_fc alone in the MLP, which has c_proj, too"),
            *(BLOCK, "block = norm + attention + norm + C * inner + inner"),
        ),
        bug(
            *("qkv_once", "counts c_attn as C · C + C: query, key and value are three times that"),
            *(BLOCK, f"{WHOLE} - 2 * (C * C + C)"),
        ),
        bug(
            *("c_proj_missing", "leaves out C² + C numbers in each block, as many as attention's c_proj has"),
            *(BLOCK, f"{WHOLE} - (C * C + C)"),
        ),
        bug(
            *("times_heads", "multiplies attention by the number of heads: they share the C channels"),
            *(BLOCK, "block = norm + config.n_head * attention + norm + mlp"),
        ),
    ),
)
