"""On a CPU, what follows the last attention of BERT and its kin is computed for labelled positions only.

That part, most of the last layer's arithmetic, and the head work on each position for itself. Further subwords, special
tokens and padding, a third of the positions of GMB with `mini`, are attended to, but nobody asks for their scores.
"""

import contextlib

from ner_data.labels import IGNORED

LAYERS = ("BertLayer", "RobertaLayer", "XLMRobertaLayer", "CamembertLayer", "ElectraLayer")  # of transformers


@contextlib.contextmanager
def labelled_only(model, labels):
    """Let the model give scores of labelled positions alone while this lasts, if it can.

    Not on a GPU, which would have to tell the CPU how many positions there are; not with gradient checkpointing, which
    goes through the layer again later.

    Args:
        model: for token classification, not wrapped for several processes.
        labels: int64 (windows, tokens), -100 where there is no label.

    Yields:
        The labels of the scores that the model gives. Labels of shape (labelled,): its logits are (1, labelled, names),
        window by window. Otherwise these are the labels given, and the logits are those of all positions.
    """
    layer = last_layer(model) if model.device.type == "cpu" else None
    labelled = (labels.flatten() != IGNORED).nonzero().squeeze(1)
    if layer is None or getattr(layer, "gradient_checkpointing", False) or not len(labelled):
        yield labels
        return
    hook = layer.attention.output.register_forward_pre_hook(
        lambda module, states: tuple(state.flatten(0, 1).index_select(0, labelled).unsqueeze(0) for state in states)
    )
    try:
        yield labels.flatten()[labelled]
    finally:
        hook.remove()


def last_layer(model):
    """The last layer of the encoder, if it is known to work on each position for itself behind its attention."""
    known = [module for module in model.modules() if type(module).__name__ in LAYERS]
    return known[-1] if known and type(known[-1]).__module__.startswith("transformers.models.") else None
