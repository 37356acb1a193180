"""What `optimizer.trains` needs of the rest of a run. training/trained.py says what it does."""

from bn_study.errors import UsageError
from bn_study.plan import parts
from bn_study.plan.spec import Part

ENTRYWISE = ("SGD", "Adam", "Nadam", "RMSprop", "Adagrad", "Adamax", "Lion")
"""Keras' optimizers that leave an entry of a variable as it is, bit for bit, whose gradient has always been zero."""


def check(optimizer: Part, model: Part, norm: Part) -> None:
    """Raises UsageError for a choice of trained variables that these parts do not allow, as far as settings tell."""
    choice = optimizer.args.get("trains")
    if choice is None:
        return
    if optimizer.args.get("weight_decay") is not None:
        raise UsageError(
            f"optimizer.trains={choice}: optimizer.weight_decay={optimizer.args['weight_decay']} would move what is "
            "not trained; set optimizer.weight_decay=null"
        )
    learns = any(norm.args.get(option) for option in ("center", "scale", "alpha"))
    if not learns and not parts.is_own("norm", norm.name):  # the network shows what a normalizer of the study's learns
        raise UsageError(nothing_learned(choice, norm.name))
    if choice != "as_many_weights":
        return
    if model.args.get("normalize_input"):
        given = str(model.args["normalize_input"]).lower()
        raise UsageError(no_weights(f"model.normalize_input={given}", "set model.normalize_input=false"))
    if model.args.get("normalize") == "hidden_to_hidden":
        raise UsageError(no_weights("model.normalize=hidden_to_hidden", "normalize what comes from the input"))
    if optimizer.args["keras"] not in ENTRYWISE:
        raise UsageError(
            f"optimizer.trains={choice}: Keras' {optimizer.args['keras']} may move weights whose gradient is zero; "
            f"take an optimizer of the class {', '.join(ENTRYWISE[:-1])} or {ENTRYWISE[-1]}"
        )


def nothing_learned(choice: str, norm: str) -> str:
    """The message where no normalizer learns anything."""
    return (
        f"optimizer.trains={choice}: norm={norm} learns neither gamma nor beta here, so nothing would be trained; "
        "take a normalizer with norm.center=true or norm.scale=true, or optimizer.trains=null"
    )


def no_weights(where: str, remedy: str) -> str:
    """The message for a normalizer whose gamma and beta have no counterpart among the weights."""
    return (
        f"optimizer.trains=as_many_weights: {where}: no linear layer stands right before this normalizer, so there are "
        f"no weights to train in place of its gamma and beta; {remedy}"
    )
