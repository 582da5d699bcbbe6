"""Parameter groups as timm has them: `optim_wrapper=dict(constructor='TimmParamGroups', ...)`."""

from fnmatch import fnmatch
from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from timm.models._manipulate import group_with_matcher
from torch import nn


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TimmParamGroups(DefaultOptimWrapperConstructor):
    """MMEngine's constructor, with what timm's models say about their own parameters.

    Parameters that a model's `no_weight_decay()` names do not decay. With `layer_decay` in
    paramwise_cfg the learning rate falls by that factor with every layer from the head down to the
    stem (Bao et al., "BEiT", ICLR 2022). Layers are those of the model's `group_matcher()`: the
    stem, every block, every downsampling, and the head. What is outside of the timm model, such as
    a detector's neck, has the head's rate. With norm_decay_mult=0 no norm decays; in MMEngine's own
    constructor those that a key of custom_keys names still do. Parameters with equal settings share
    a group, so that a fused optimiser updates them at once.

    Args:
        optim_wrapper_cfg: see mmengine.optim.DefaultOptimWrapperConstructor.
        paramwise_cfg: as there, and layer_decay in (0, 1], 1 by default.

    Raises:
        ValueError: layer_decay is out of its range, or the model does not know its layers.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None):
        super().__init__(optim_wrapper_cfg, {'layer_decay': 1.0, **(paramwise_cfg or {})})
        self.layer_decay = self.paramwise_cfg['layer_decay']
        if not 0 < self.layer_decay <= 1:
            raise ValueError(f'layer_decay is above 0 and at most 1, not {self.layer_decay}.')

    def add_params(
        self,
        params: list[dict],
        module: nn.Module,
        prefix: str = '',
        is_dcn_module: Any = None,
    ) -> None:
        """Add the parameters of `module` to the groups `params`; '' is the whole model."""
        super().add_params(params, module, prefix, is_dcn_module)
        if prefix:
            return
        depths, no_decay = parameter_depths(module), no_decay_names(module)
        if self.paramwise_cfg.get('norm_decay_mult') == 0:
            no_decay |= norm_names(module)
        if not depths and self.layer_decay < 1:
            raise ValueError(
                f'{type(module).__name__} has no group_matcher(), which layer_decay needs: '
                'leave it out.'
            )
        head = max(depths.values(), default=0)
        names = {parameter: name for name, parameter in module.named_parameters()}
        shared: dict[tuple, dict[str, Any]] = {}
        for group in params:
            (parameter,) = group.pop('params')
            name = names[parameter]
            scale = self.layer_decay ** (head - depths.get(name, head))
            group['lr'] = group.get('lr', self.base_lr) * scale
            if name in no_decay:
                group['weight_decay'] = 0.0
            settings = tuple(sorted(group.items()))
            shared.setdefault(settings, dict(group, params=[]))['params'].append(parameter)
        params[:] = shared.values()


def parameter_depths(model: nn.Module) -> dict[str, int]:
    """Names of a model's parameters -> number of their layer, 0 the stem and the highest the head.

    Empty where no part of the model says how it is divided into layers.
    """
    for prefix, part in model.named_modules():
        if hasattr(part, 'group_matcher'):
            # timm numbers what is there: the head's layer stands for it also where it was removed.
            names = [*(name for name, _ in part.named_parameters()), 'head.weight']
            matcher = part.group_matcher(coarse=False)
            depths = group_with_matcher(((n, None) for n in names), matcher, reverse=True)
            return {f'{prefix}.{name}' if prefix else name: depths[name] for name in names}
    return {}


def norm_names(model: nn.Module) -> set[str]:
    """Parameters of the model's layers that normalise."""
    norms = (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._NormBase)
    return {
        f'{prefix}.{name}'
        for prefix, part in model.named_modules()
        if isinstance(part, norms)
        for name, _ in part.named_parameters()
    }


def no_decay_names(model: nn.Module) -> set[str]:
    """Parameters that parts of the model exempt from weight decay."""
    exempt = set()
    for prefix, part in model.named_modules():
        if hasattr(part, 'no_weight_decay'):
            patterns = part.no_weight_decay()
            exempt |= {
                f'{prefix}.{name}' if prefix else name
                for name, _ in part.named_parameters()
                if any(fnmatch(name, pattern) for pattern in patterns)
            }
    return exempt
