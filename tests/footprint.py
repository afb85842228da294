"""A record of everything about a model and this process that an explanation must leave alone."""

import numpy as np
import torch

HOOKS = [
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_state_dict_hooks",
    "_load_state_dict_pre_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks_with_kwargs",
]


def tensors_of(model):
    return {
        **{f"parameter {name}": tensor for name, tensor in model.named_parameters()},
        **{f"buffer {name}": tensor for name, tensor in model.named_buffers()},
    }


def kept(tensor):
    """The tensor's values; of a large one its sum and its sum of squares, to the last bit."""
    if tensor.numel() <= 20_000 or not tensor.is_floating_point():
        return tensor.clone()
    return torch.stack([tensor.sum(), torch.linalg.vector_norm(tensor)])


def snapshot(model):
    """Modes, hooks, attributes, weights with strides and gradients, random state, grad mode.

    Python's own generator is left out: beartype draws from it whenever it checks a sequence.
    """
    modules = dict(model.named_modules())
    tensors = tensors_of(model)
    return {
        "modules": {name: id(module) for name, module in modules.items()},
        "modes": {name: module.training for name, module in modules.items()},
        "hooks": {
            (name, kind): tuple(map(id, getattr(module, kind, {}).values()))
            if hasattr(getattr(module, kind, {}), "values")
            else tuple(getattr(module, kind, ()))
            for name, module in modules.items()
            for kind in HOOKS
        },
        "attributes": {name: tuple(module.__dict__) for name, module in modules.items()},
        "identity": {name: (id(t), t.data_ptr()) for name, t in tensors.items()},
        "layout": {
            name: (t.stride(), t.dtype, t.device, t.requires_grad, t.is_leaf)
            for name, t in tensors.items()
        },
        "versions": {name: t._version for name, t in tensors.items() if not t.is_inference()},
        "gradient identity": {
            name: id(t.grad) for name, t in tensors.items() if t.is_leaf and t.grad is not None
        },
        "values": {name: kept(t.detach()) for name, t in tensors.items()},
        "gradients": {
            name: t.grad.clone() for name, t in tensors.items() if t.is_leaf and t.grad is not None
        },
        "torch random": torch.random.get_rng_state(),
        "numpy random": np.random.get_state()[1].tolist(),  # noqa: NPY002 - the one users share
        "grad mode": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
        "default dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def assert_untouched(before, model):
    after = snapshot(model)
    for what, value in before.items():
        if what in ("values", "gradients"):
            assert value.keys() == after[what].keys(), what
            for name, tensor in value.items():
                assert torch.equal(tensor, after[what][name]), f"{what} of {name} changed"
        elif isinstance(value, torch.Tensor):
            assert torch.equal(value, after[what]), f"{what} changed"
        else:
            assert value == after[what], f"{what} changed"
