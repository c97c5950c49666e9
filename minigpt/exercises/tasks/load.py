"""Lesson 07: the numbers of an official file."""

from torch import Tensor

from minigpt.exercises import material
from minigpt.exercises.exercise import Case, Exercise, bug


def load(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The parameters of a GPT-2 by name, from the tensors of an official file, in a new dict.

    The names are the same, but for two things. The file holds the four matrices of a block as
    Conv1D does, (in, out); a Linear holds them as (out, in). And h.0.attn.bias, h.1.attn.bias, … are
    no biases but the causal mask, once for each block: they are left out.
    """
    # BEGIN SOLUTION
    turned = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
    parameters = {}
    for name, tensor in tensors.items():
        if name.endswith(".attn.bias"):
            continue
        parameters[name] = tensor.T if name.endswith(turned) else tensor
    return parameters
    # END SOLUTION


def file(n_layer: int, V: int, n_ctx: int, C: int, inner: int) -> dict[str, Tensor]:
    """Random tensors under the names and with the shapes of an official file."""
    shapes: dict[str, tuple[int, ...]] = {"wpe.weight": (n_ctx, C), "wte.weight": (V, C)}
    for n in range(n_layer):
        block: dict[str, tuple[int, ...]] = {
            "ln_1.weight": (C,),
            "ln_1.bias": (C,),
            "ln_2.weight": (C,),
            "ln_2.bias": (C,),
        }
        block |= {"attn.bias": (1, 1, n_ctx, n_ctx)}
        block |= {"attn.c_attn.weight": (C, 3 * C), "attn.c_attn.bias": (3 * C,)}
        block |= {"attn.c_proj.weight": (C, C), "attn.c_proj.bias": (C,)}
        block |= {"mlp.c_fc.weight": (C, inner), "mlp.c_fc.bias": (inner,)}
        block |= {"mlp.c_proj.weight": (inner, C), "mlp.c_proj.bias": (C,)}
        shapes |= {f"h.{n}.{name}": shape for name, shape in block.items()}
    values = material.random_state({**shapes, "ln_f.weight": (C,), "ln_f.bias": (C,)})
    mask = values["wte.weight"].new_ones(n_ctx, n_ctx).tril().view(1, 1, n_ctx, n_ctx)
    return {name: mask if name.endswith(".attn.bias") else value for name, value in values.items()}


def cases() -> list[Case]:
    """One block, two in which every size is another, eleven: h.10 has two digits."""
    return [
        Case((file(1, 5, 4, 2, 3),)),
        Case((file(2, 13, 7, 3, 5),)),
        Case((file(11, 5, 4, 2, 3),)),
    ]


TURNED = 'turned = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")'
ASK, TURN = 'name.endswith(".attn.bias")', "tensor.T if name.endswith(turned) else tensor"


def turns(*names: str) -> str:
    """The line that says what is turned."""
    return f"turned = ({', '.join(repr(name) for name in names)},)"


EXERCISE = Exercise(
    lesson="07",
    part=load,
    make_cases=cases,
    hints=(
        "Go through the file's tensors: which are turned, which are no parameters, which are taken as they are?",
        "Turned are the weights of c_attn, c_fc and both c_proj. Mind that attn.c_attn.bias also ends with attn.bias.",
        'Skip what ends with ".attn.bias"; tensor.T where the name ends with one of the four; else the tensor itself.',
    ),
    bugs=(
        bug(
            *("c_proj_not_turned", "does not turn the two c_proj"),
            *(TURNED, turns("attn.c_attn.weight", "mlp.c_fc.weight")),
        ),
        bug(
            *(
                "attn_c_proj_not_turned",
                "does not turn attention's c_proj: it is square, so that its shape tells nothing",
            ),
            *(TURNED, turns("attn.c_attn.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")),
        ),
        bug(
            *("mlp_c_proj_not_turned", "does not turn the MLP's c_proj"),
            *(TURNED, turns("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight")),
        ),
        bug(
            *("c_attn_not_turned", "does not turn c_attn"),
            *(TURNED, turns("attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")),
        ),
        bug(
            *("c_fc_not_turned", "does not turn the MLP's c_fc"),
            *(TURNED, turns("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_proj.weight")),
        ),
        bug(
            "mlp_not_turned",
            "does not turn the MLP's matrices",
            TURNED,
            turns("attn.c_attn.weight", "attn.c_proj.weight"),
        ),
        bug(
            "attn_not_turned",
            "does not turn attention's matrices",
            TURNED,
            turns("mlp.c_fc.weight", "mlp.c_proj.weight"),
        ),
        bug("none_turned", "turns nothing", TURN, "tensor"),
        bug("all_turned", "turns every matrix, wte and wpe, too", TURN, "tensor.T if tensor.ndim == 2 else tensor"),
        bug(
            *("wte_turned", "turns wte, too, which is a table of rows in both"),
            *(TURN, 'tensor.T if name.endswith((*turned, "wte.weight")) else tensor'),
        ),
        bug(
            *("wpe_turned", "turns wpe, too, which is a table of rows in both"),
            *(TURN, 'tensor.T if name.endswith((*turned, "wpe.weight")) else tensor'),
        ),
        bug(
            *("reshaped", "reshapes the matrices, which fits the shapes and mixes the numbers: turn them by .T"),
            *(TURN, "tensor.reshape(tensor.shape[::-1]) if name.endswith(turned) else tensor"),
        ),
        bug("mask_buffers_as_weights", "keeps the causal masks as if they were parameters", ASK, "False"),
        bug(
            *("c_attn_bias_dropped", "drops c_attn's bias, whose name ends with attn.bias, too"),
            *(ASK, 'name.endswith("attn.bias")'),
        ),
        bug("biases_dropped", "drops every bias, not the masks alone", ASK, 'name.endswith(".bias")'),
        bug(
            *("attn_biases_dropped", "drops every bias of attention, not the masks alone"),
            *(ASK, '(".attn." in name and name.endswith(".bias"))'),
        ),
        bug("one_digit", "overlooks the masks from h.10 on", ASK, '(name.endswith(".attn.bias") and name[3] == ".")'),
        bug(
            *("first_block", "leaves out the mask of h.0 alone"),
            *(ASK, 'name == "h.0.attn.bias"'),
        ),
    ),
)
