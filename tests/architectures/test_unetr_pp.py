"""UNETR++: counts, refusals, and that its attention keeps positions in order."""

import pytest
import torch

from nnunet_tv.architectures.dual_self_attention import DualSelfAttention
from nnunet_tv.architectures.unetr_pp import UNETRPlusPlus


@pytest.mark.parametrize(("side", "count"), [(128, 42_648_570), (64, 22_809_786)])
def test_parameter_count(side, count):
    with torch.device("meta"):
        network = UNETRPlusPlus(2, 2, input_size=[side] * 3)
    assert sum(parameter.numel() for parameter in network.parameters()) == count


def test_all_attention_is_in_the_clean_token_order_and_other_patches_are_refused():
    with torch.device("meta"):
        network = UNETRPlusPlus(2, 2, input_size=(64, 64, 64))
        with pytest.raises(ValueError, match=r"built for patches of \(64, 64, 64\), found \(64, 64, 96\)"):
            network(torch.zeros(1, 2, 64, 64, 96))
    attentions = [module for module in network.modules() if isinstance(module, DualSelfAttention)]
    assert len(attentions) == 3 * (4 + 3)
    assert not any(attention.published_token_order for attention in attentions)
    with pytest.raises(ValueError, match=r"UNETR\+\+'s patch sides .*axis 1 is 80\. The nearest that fits is 64 96 64"):
        UNETRPlusPlus(2, 2, input_size=(64, 80, 64))
