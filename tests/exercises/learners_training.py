"""What learners write for lesson 14: right in other styles, with the bank's bugs, with others."""

from collections.abc import Callable
from typing import Any

from tests.exercises.written import both, slips, written

Part = Callable[..., Any]

# ---- loss: by torch's cross_entropy, by loops, by exp and sum

CALLS = """
def loss(logits, ids):
    V = logits.size(-1)
    predictions = logits[:, :-1, :].reshape(-1, V)
    answers = ids[:, 1:].reshape(-1)
    return F.cross_entropy(predictions, answers)
"""
LOOPS = """
def loss(logits, ids):
    B, T, V = logits.shape
    total = 0
    for b in range(B):
        for t in range(T - 1):
            row = logits[b, t]
            total = total + torch.logsumexp(row, dim=0) - row[ids[b, t + 1]]
    return total / (B * (T - 1))
"""
EXP = """
def loss(logits, ids):
    x = logits[:, : logits.shape[1] - 1]
    y = ids[:, 1 : ids.shape[1]]
    e = torch.exp(x - x.max(dim=2, keepdim=True).values)
    p = e / e.sum(dim=2, keepdim=True)
    hot = F.one_hot(y, p.shape[2]).to(p.dtype)
    chosen = (p * hot).sum(dim=2)
    return torch.mean(-torch.log(chosen))
"""
TRANSPOSED = """
def loss(logits, ids):
    return torch.nn.CrossEntropyLoss()(logits.transpose(1, 2)[..., :-1], ids[:, 1:])
"""
C_IN, C_OUT = "logits[:, :-1, :].reshape(-1, V)", "ids[:, 1:].reshape(-1)"
C_END = "F.cross_entropy(predictions, answers)"
X_END = "torch.mean(-torch.log(chosen))"
X_P = "p = e / e.sum(dim=2, keepdim=True)"
X_IN, X_OUT = "logits[:, : logits.shape[1] - 1]", "ids[:, 1 : ids.shape[1]]"
LOSS_RIGHT: list[Part] = [
    *map(written, (CALLS, LOOPS, EXP, TRANSPOSED)),
    lambda logits, ids: -logits.log_softmax(2)[:, :-1].gather(2, ids[:, 1:].unsqueeze(2)).sum() / ids[:, 1:].numel(),
]
LOSS = both(
    slips(
        CALLS,
        not_shifted=(C_IN, "logits.view(-1, V)", C_OUT, "ids.view(-1)"),
        targets_are_inputs=(C_OUT, "ids[:, :-1].reshape(-1)"),
        shifted_wrong_way=(C_IN, "logits[:, 1:].reshape(-1, V)", C_OUT, "ids[:, :-1].flatten()"),
        logits_from_1=(C_IN, "logits[:, 1:].reshape(-1, V)"),
        wraps_round=(C_IN, "logits.flatten(0, 1)", C_OUT, "torch.cat([ids[:, 1:], ids[:, :1]], 1).flatten()"),
        softmax_twice=(C_END, "F.cross_entropy(predictions.softmax(-1), answers)"),
        no_softmax=(C_END, "F.nll_loss(predictions, answers)"),
        no_log=(C_END, "F.nll_loss(F.softmax(predictions, -1), answers)"),
        log_of_mean=(C_END, "-F.nll_loss(F.softmax(predictions, -1), answers).neg().log()"),
        all_targets=(C_END, "-logits.log_softmax(-1)[:, :-1, ids[:, 1:]].mean()"),
        softmax_axis=(
            "    V",
            "    logits = F.log_softmax(logits[:, :-1], 1)\n    V",
            "logits[:, :-1, :]",
            "logits",
            C_END,
            "F.nll_loss(predictions, answers)",
        ),
        sum=("answers)", "answers, reduction='sum')"),
        sum_of_each=("answers)", "answers, reduction='sum') / len(ids)"),
        mean_over_vocabulary=(C_END, C_END + " / V"),
        divided_by_t=("answers)", "answers, reduction='sum') / (ids.shape[0] * ids.shape[1])"),
        flatten_wrong=(C_END, "F.cross_entropy(logits[:, :-1].reshape(len(logits), V, -1), ids[:, 1:])"),
        flatten_crossed=(C_OUT, "ids.t()[1:].reshape(-1)"),
        last_only=(C_IN, "logits[:, -2]", C_OUT, "ids[:, -1]"),
        first_text=(C_IN, "logits[0, :-1]", C_OUT, "ids[0, 1:]"),
        base_2=(C_END, C_END + " / math.log(2)"),
        sign=(C_END, "-" + C_END),
        perplexity=(C_END, f"torch.exp({C_END})"),
        detach=(C_END, C_END + ".detach()"),
    ),
    slips(
        EXP,
        not_shifted=(X_IN, "logits", X_OUT, "ids"),
        targets_are_inputs=(X_OUT, "ids[:, : ids.shape[1] - 1]"),
        shifted_wrong_way=(X_IN, "logits[:, 1:]", X_OUT, "ids[:, :-1]"),
        logits_from_1=(X_IN, "logits[:, 1:]"),
        wraps_round=(X_IN, "logits", X_OUT, "torch.roll(ids, -1, dims=1)"),
        softmax_twice=(X_P, X_P + "\n    p = F.softmax(p, dim=2)"),
        no_softmax=("chosen = (p", "chosen = (x.exp()"),
        no_log=("-torch.log(chosen)", "-chosen"),
        log_of_mean=(X_END, "-torch.log(torch.mean(chosen))"),
        all_targets=("chosen = (p * hot).sum(dim=2)", "chosen = p[:, :, y]"),
        softmax_axis=(X_P, "p = torch.softmax(x, dim=1)"),
        sum=(X_END, "torch.sum(-torch.log(chosen))"),
        sum_of_each=(X_END, "torch.mean((-torch.log(chosen)).sum(1))"),
        mean_over_vocabulary=(X_END, "torch.mean(-torch.log(p) * hot)"),
        divided_by_t=(X_END, "torch.mean((-torch.log(chosen)).sum(1) / ids.size(1))"),
        flatten_wrong=(X_IN, X_IN + ".reshape(len(ids), logits.shape[2], -1).mT"),
        flatten_crossed=("hot = F.one_hot(y", "hot = F.one_hot(y.mT.flatten().view_as(y)"),
        last_only=("chosen = (p * hot).sum(dim=2)", "chosen = (p * hot).sum(dim=2)[:, -1]"),
        first_text=("chosen = (p * hot).sum(dim=2)", "chosen = (p * hot).sum(dim=2)[:1]"),
        base_2=("torch.log(", "torch.log2("),
        sign=("-torch.log", "torch.log"),
        perplexity=(X_END, "torch.e ** " + X_END),
        detach=(X_IN, X_IN + ".data"),
    ),
    slips(
        LOOPS,
        not_shifted=("T - 1):", "T):", "t + 1", "t", "(B * (T - 1))", "(B * T)"),
        sum=(" / (B * (T - 1))", ""),
        sign=(
            "total + torch.logsumexp(row, dim=0) - row[ids[b, t + 1]]",
            "total - torch.logsumexp(row, dim=0) + row[ids[b, t + 1]]",
        ),
        last_only=("T - 1):", "T - 2, T - 1):", "(B * (T - 1))", "B"),
    ),
)
LOSS_OTHER: list[tuple[Part, set[str]]] = [
    (written(CALLS, "answers)", "answers, label_smoothing=0.1)"), set()),
    (written(CALLS, C_IN, "logits[:, :-2].reshape(-1, V)", C_OUT, "ids[:, 2:].reshape(-1)"), set()),
    (written(CALLS, "answers)", "answers, ignore_index=0)"), set()),
    (written(CALLS, "answers)", "answers, reduction='none')"), set()),
    (written(CALLS, C_END, C_END + ".item()"), {"detach"}),
    (written(CALLS, C_END, "F.mse_loss(predictions.softmax(-1), F.one_hot(answers, V).double())"), set()),
    (written(CALLS, C_IN, "logits.reshape(-1, V)"), set()),
    (written(CALLS, C_END, "(predictions.argmax(-1) == answers).double().mean()"), set()),
    (written(EXP, "torch.log(", "torch.log10("), set()),
    (written(LOOPS, "total / (B * (T - 1))", "total / T"), set()),
    (written(LOOPS, "            row = logits[b, t]", "            row = logits[0, t]"), set()),
]

# ---- train_step: by an optimizer, by torch.autograd.grad, by hand with data and a loop over names

OPTIMIZER = """
def train_step(model, x, y, lr):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    scores = model(x)
    error = F.cross_entropy(scores.transpose(1, 2), y)
    optimizer.zero_grad()
    error.backward()
    optimizer.step()
    return error.item()
"""
BY_NAME = """
def train_step(model, x, y, lr):
    for name, weight in model.named_parameters():
        weight.grad = None
    out = model(x)
    B, T, V = out.shape
    logp = F.log_softmax(out, dim=-1).view(B * T, V)
    cost = F.nll_loss(logp, y.reshape(B * T))
    cost.backward()
    for name, weight in model.named_parameters():
        if weight.grad is not None:
            weight.data = weight.data - lr * weight.grad
    return float(cost)
"""
AUTOGRAD = """
def train_step(model, x, y, lr):
    weights = list(model.parameters())
    p = model(x).softmax(-1)
    loss = -torch.log(p.gather(-1, y.unsqueeze(-1))).mean()
    with torch.no_grad():
        for w, g in zip(weights, torch.autograd.grad(loss, weights)):
            w.add_(g, alpha=-lr)
    return loss.detach()
"""
ZERO_AFTER = """
def train_step(model, x, y, lr):
    loss = torch.nn.CrossEntropyLoss()(model(x).reshape(-1, 5), y.reshape(-1))
    loss.backward()
    for p in model.parameters():
        p.data.sub_(p.grad * lr)
        p.grad.zero_()
    return loss.item()
"""
O_ZERO, O_BACK, O_STEP = "    optimizer.zero_grad()\n", "    error.backward()\n", "    optimizer.step()\n"
O_ERROR, O_RETURN = "F.cross_entropy(scores.transpose(1, 2), y)", "return error.item()"
N_ZERO = "    for name, weight in model.named_parameters():\n        weight.grad = None\n"
N_BACK = "    cost.backward()\n"
N_STEP = """    for name, weight in model.named_parameters():
        if weight.grad is not None:
            weight.data = weight.data - lr * weight.grad
"""
N_UPDATE = "weight.data = weight.data - lr * weight.grad"
IN_PLACE = "weight.data.sub_(lr * weight.grad)"
STEP_RIGHT: list[Part] = [*map(written, (OPTIMIZER, BY_NAME, AUTOGRAD, ZERO_AFTER))]
STEP = both(
    slips(
        OPTIMIZER,
        no_zero_grad=(O_ZERO, ""),
        no_backward=(O_BACK, ""),
        step_before_backward=(O_BACK + O_STEP, O_STEP + O_BACK),
        step_late=(
            O_ZERO + O_BACK + O_STEP,
            "    for p in model.parameters():\n        p.data -= lr * p.grad if p.grad is not None else 0 * p.data\n"
            + O_ZERO
            + O_BACK,
        ),
        zero_after_backward=(O_ZERO + O_BACK, O_BACK + O_ZERO),
        rebinds=(
            O_STEP,
            "    for i, p in enumerate(model.parameters()):\n        w = p.data\n        w = w - lr * p.grad\n",
        ),
        detach=("scores = model(x)", "scores = model(x).detach()"),
        lr_sign=(O_BACK, "    (-error).backward()\n"),
        no_lr=("lr=lr", "lr=1.0"),
        sign_alone=(O_STEP, "    for p in model.parameters():\n        p.grad = torch.sign(p.grad)\n" + O_STEP),
        first_alone=(
            "SGD(model.parameters()",
            "SGD([next(model.parameters())]",
            "    optimizer.zero",
            "    model.zero",
        ),
        last_alone=("SGD(model.parameters()", "SGD([*model.parameters()][2:]", "    optimizer.zero", "    model.zero"),
        bias_missing=("SGD(model.parameters()", "SGD([p for p in model.parameters() if p.dim() == 2]"),
        loss_after=(O_RETURN, f"return {O_ERROR.replace('scores', 'model(x)')}.item()"),
        sum=(", y)", ", y, reduction='sum')"),
        targets_are_inputs=(", y)", ", x)"),
        shifted_again=("scores.transpose(1, 2), y", "scores[:, :-1].transpose(1, 2), y[:, 1:]"),
        graph_kept=(O_RETURN, "return error"),
        softmax_twice=("scores.transpose(1, 2)", "F.softmax(scores, dim=-1).transpose(1, 2)"),
    ),
    slips(
        BY_NAME,
        no_zero_grad=(N_ZERO, ""),
        no_backward=(N_BACK, ""),
        step_before_backward=(N_BACK + N_STEP, N_STEP + N_BACK),
        step_late=(N_ZERO, "", N_BACK + N_STEP, N_STEP.replace(N_UPDATE, IN_PLACE) + N_ZERO + N_BACK),
        zero_after_backward=(N_ZERO, "", N_BACK, N_BACK + N_ZERO),
        rebinds=(N_UPDATE, "weight = weight - lr * weight.grad"),
        detach=(
            "cost = F.nll",
            "cost = torch.tensor(F.nll",
            "y.reshape(B * T))",
            "y.reshape(B * T)).item(), requires_grad=True)",
        ),
        lr_sign=("weight.data - lr", "weight.data + lr"),
        no_lr=("lr * weight.grad", "weight.grad"),
        sign_alone=("lr * weight.grad", "lr * (weight.grad / weight.grad.abs()).nan_to_num()"),
        first_alone=(N_STEP, N_STEP + "            break\n"),
        last_alone=("        if weight.grad is not None:\n            " + N_UPDATE, "        pass\n    " + N_UPDATE),
        bias_missing=("if weight.grad is not None:", "if name != 'bias':"),
        loss_after=("float(cost)", "float(-model(x).log_softmax(-1).gather(-1, y[..., None]).mean())"),
        sum=("F.nll_loss(logp, y.reshape(B * T))", "F.nll_loss(logp, y.reshape(B * T)) * B * T"),
        targets_are_inputs=("y.reshape", "x.reshape"),
        shifted_again=("    B, T, V", "    out, y = out[:, : out.shape[1] - 1, :], y[:, 1:]\n    B, T, V"),
        graph_kept=("float(cost)", "cost"),
        softmax_twice=("F.log_softmax(out, dim=-1)", "F.log_softmax(out.softmax(dim=-1), dim=-1)"),
    ),
    slips(
        AUTOGRAD,
        rebinds=("w.add_(g, alpha=-lr)", "w = w.add(g, alpha=-lr)"),
        lr_sign=("alpha=-lr", "alpha=lr"),
        last_alone=("            w.add_(g", "            pass\n        w.add_(g"),
        loss_after=("loss.detach()", "F.cross_entropy(model(x).flatten(0, 1), y.flatten()).item()"),
        graph_kept=("loss.detach()", "loss"),
        detach=("model(x).softmax", "model(x).data.softmax"),
        no_backward=("w.add_(g, alpha=-lr)", "pass", "torch.autograd.grad(loss, weights)", "weights"),
    ),
    slips(
        ZERO_AFTER,
        no_zero_grad=("        p.grad.zero_()\n", ""),
        detach=(
            "loss.backward()",
            "loss = loss.detach().requires_grad_()\n    loss.backward()",
            "in model.parameters()",
            "in []",
        ),
        no_lr=("p.grad * lr", "p.grad"),
        rebinds=("p.data.sub_(p.grad * lr)", "new = p.data.sub(p.grad * lr)"),
    ),
)
STEP_OTHER: list[tuple[Part, set[str]]] = [
    (written(OPTIMIZER, O_STEP, O_STEP * 2), set()),
    (written(BY_NAME, "lr * weight.grad", "lr * weight.grad / weight.grad.norm()"), set()),
    (written(OPTIMIZER, "SGD", "Adam"), {"sign_alone"}),
    (written(OPTIMIZER, "lr=lr", "lr=lr, weight_decay=0.1"), set()),
    (written(OPTIMIZER, O_STEP, "    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.01)\n" + O_STEP), set()),
    (written(OPTIMIZER, ", y)", ", y.roll(1, 1))"), set()),
    (written(OPTIMIZER, O_RETURN, "return scores.mean()"), set()),
    (written(OPTIMIZER, "    return error.item()\n", ""), set()),
    (written(OPTIMIZER, O_ZERO, "    for p in model.parameters():\n        p.grad = torch.ones_like(p)\n"), set()),
    (written(BY_NAME, "weight.data = weight.data - lr * weight.grad", "weight -= lr * weight.grad"), set()),
    (written(BY_NAME, "        if weight.grad is not None:\n    ", "    ", N_BACK, ""), set()),
    (written(BY_NAME, "lr * weight.grad", "0.1 * weight.grad"), set()),
    (written(AUTOGRAD, "-torch.log(p", "-(p"), set()),
    (written(AUTOGRAD, ".mean()", ".max()"), set()),
]

# ---- batch: by index arithmetic, by Python's own random numbers, by unfold

INDEX = """
def batch(data, n, length):
    begin = torch.randint(0, len(data) - length, size=(n, 1))
    at = begin + torch.arange(length)
    return data[at], data[at + 1]
"""
PYTHON = """
def batch(data, n, length):
    import random
    xs, ys = [], []
    for row in range(n):
        i = random.randrange(len(data) - length)
        xs.append(data[i : i + length].tolist())
        ys.append(data[i + 1 : i + 1 + length].tolist())
    return torch.tensor(xs), torch.tensor(ys)
"""
UNFOLD = """
def batch(data, n, length):
    blocks = data.unfold(0, length + 1, 1)
    blocks = blocks[torch.randperm(len(blocks))[:n]]
    return blocks[:, :-1], blocks[:, 1:]
"""
I_DRAW, I_RETURN = "torch.randint(0, len(data) - length, size=(n, 1))", "return data[at], data[at + 1]"
P_DRAW, P_X, P_Y = "i = random.randrange(len(data) - length)", "data[i : i + length]", "data[i + 1 : i + 1 + length]"
BATCH_RIGHT: list[Part] = [
    *map(written, (INDEX, PYTHON, UNFOLD)),
    written(INDEX, I_RETURN, "return torch.stack((data[at], data[at + 1]))"),
    written(INDEX, I_DRAW, "torch.rand(n, 1).mul(len(data) - length).long()"),
]
BATCH = both(
    slips(
        INDEX,
        crosses_end=("len(data) - length", "len(data)"),
        wraps_round=(
            "len(data) - length",
            "len(data)",
            "    return",
            "    at = at % len(data)\n    return",
            "at + 1",
            "(at + 1) % len(data)",
        ),
        last_target_first=("len(data) - length", "len(data) - length + 1", "at + 1", "(at + 1) % len(data)"),
        last_missing=("- length", "- (length + 1)"),
        first_missing=("randint(0", "randint(1"),
        same_window=("size=(n, 1))", "size=(1, 1)).repeat(n, 1)"),
        neighbours=(I_DRAW, "torch.randint(0, len(data) - length - n + 1, (1,)) + torch.arange(n)[:, None]"),
        no_shuffle=(I_DRAW, "torch.arange(n)[:, None]"),
        fixed_seed=("    begin", "    torch.manual_seed(42)\n    begin"),
        blocks=(I_DRAW, "length * torch.randint(0, (len(data) - 1) // length, size=(n, 1))"),
        plus_one=("data[at + 1]", "data[at] + 1"),
        drawn_twice=(
            I_RETURN,
            "other = torch.randint(0, len(data) - length, size=(n, 1)) + torch.arange(length)\n"
            "    return data[at], data[other + 1]",
        ),
        y_equals_x=("at + 1", "at"),
        off_by_two=("- length", "- length - 1", "at + 1", "at + 2"),
        y_before_x=("at + 1", "at - 1", "randint(0", "randint(1"),
        tokens=(" + torch.arange(length)", "", "(n, 1)", "(n, length)"),
        shuffled=("torch.arange(length)", "torch.randperm(length)"),
        x_too_long=("data[at],", "data[begin + torch.arange(length + 1)],"),
        last_target_alone=("data[at + 1]", "data[begin[:, 0] + length]"),
        time_first=("size=(n, 1)", "size=(n,)", "torch.arange(length)", "torch.arange(length)[:, None]"),
    ),
    slips(
        PYTHON,
        crosses_end=(P_DRAW, "i = random.randint(0, len(data) - length)"),
        wraps_round=(
            P_DRAW,
            "i = random.randrange(len(data))\n        twice = torch.cat([data, data])",
            P_X,
            P_X.replace("data", "twice"),
            P_Y,
            P_Y.replace("data", "twice"),
        ),
        last_target_first=(
            P_DRAW,
            "i = random.randrange(len(data) - length + 1)",
            P_Y,
            "torch.cat([data, data[:1]])[i + 1 : i + 1 + length]",
        ),
        last_missing=(P_DRAW, "i = random.randrange(len(data) - 1 - length)"),
        first_missing=(P_DRAW, "i = random.randint(1, len(data) - length - 1)"),
        same_window=("    for row in range(n):\n        " + P_DRAW, f"    {P_DRAW}\n    for row in range(n):"),
        neighbours=(
            "    for row in range(n):\n        " + P_DRAW,
            "    first = random.randrange(len(data) - length - n + 1)\n"
            "    for row in range(n):\n        i = first + row",
        ),
        no_shuffle=(P_DRAW, "i = row"),
        fixed_seed=("    xs, ys", "    random.seed(3)\n    xs, ys"),
        blocks=(P_DRAW, "i = random.choice(range(0, len(data) - length, length))"),
        plus_one=("ys.append(data[i + 1 : i + 1 + length].tolist())", "ys.append([id + 1 for id in xs[-1]])"),
        drawn_twice=("        ys.append", f"        {P_DRAW}\n        ys.append"),
        y_equals_x=(P_Y, P_X),
        off_by_two=(P_Y, "data[i + 2 : i + 2 + length]"),
        y_before_x=(P_Y, "data[i - 1 : i - 1 + length]", "randrange(", "randrange(1, "),
        tokens=(P_X, "data[[random.randrange(len(data)) for _ in range(length)]]"),
        shuffled=(P_X, P_X + "[random.sample(range(length), length)]"),
        x_too_long=(P_X, "data[i : i + length + 1]"),
        last_target_alone=(P_Y, "data[i + length]"),
        time_first=("torch.tensor(xs), torch.tensor(ys)", "torch.tensor(list(zip(*xs))), torch.tensor(list(zip(*ys)))"),
    ),
    slips(
        UNFOLD,
        y_equals_x=("blocks[:, 1:]", "blocks[:, :-1]"),
        no_shuffle=("[torch.randperm(len(blocks))[:n]]", "[:n]"),
        x_too_long=("blocks[:, :-1]", "blocks"),
        last_missing=("data.unfold", "data[:-1].unfold"),
        blocks=(
            "length + 1, 1)",
            "length + 1, length)",
            "torch.randperm(len(blocks))[:n]",
            "torch.randint(len(blocks), (n,))",
        ),
    ),
)
BATCH["y_before_x"] += [  # which is the same as x and y swapped
    written(INDEX, I_RETURN, "return data[at + 1], data[at]"),
    written(UNFOLD, "blocks[:, :-1], blocks[:, 1:]", "blocks[:, 1:], blocks[:, :-1]"),
]
BATCH_OTHER: list[tuple[Part, set[str]]] = [
    (written(INDEX, I_RETURN, "return data[at]"), set()),
    (written(INDEX, I_RETURN, "return at, at + 1"), set()),
    (written(INDEX, "at + 1", "at + length"), {"crosses_end"}),
    (written(INDEX, "torch.arange(length)", "2 * torch.arange(length)", "- length", "- 2 * length"), set()),
    (written(INDEX, "torch.arange(length)", "torch.arange(length).flip(0)"), {"shuffled"}),
    (written(INDEX, "size=(n, 1)", "size=(n + 1, 1)"), set()),
    (written(INDEX, "data[at + 1]", "data[at + 1][:, torch.randperm(length)]"), set()),
    (written(UNFOLD, "blocks[:, :-1], blocks[:, 1:]", "blocks[:, :-1], blocks[:, 1:] + 1"), set()),
    (written(PYTHON, P_X, "data[i : i + length - 1]", P_Y, "data[i + 1 : i + length]"), set()),
    (
        written(PYTHON, "torch.tensor(xs), torch.tensor(ys)", "torch.tensor(sum(xs, [])), torch.tensor(sum(ys, []))"),
        set(),
    ),
    (written(INDEX, "len(data) - length", "2"), set()),
    (written(UNFOLD, "blocks[:, 1:]", "blocks[:, -1]"), {"last_target_alone"}),
    (written(UNFOLD, "torch.randperm(len(blocks))[:n]", "torch.randint(len(blocks), (1,))"), set()),
    (written(INDEX, "begin + torch.arange(length)", "begin * torch.arange(length)"), set()),
]
