"""Which weights learn."""


def freeze_encoder(model):
    """Let only the classification head learn.

    Args:
        model: a token classifier; its `base_model` gets `requires_grad=False` everywhere.

    Returns:
        (parameters that learn, all parameters).
    """
    model.base_model.requires_grad_(False)
    learning = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return learning, sum(p.numel() for p in model.parameters())
