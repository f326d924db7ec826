"""GPT-2 (Radford et al. 2019) and GPT-3 (Brown et al. 2020, arXiv:2005.14165)."""

from dataclasses import replace
from types import MappingProxyType

from gptcli.config.model import ModelConfig
from gptcli.families.family import ConfigFields, Family, Preset, TensorNames

_VOCABULARY = 50257

CONFIG_FIELDS = ConfigFields(
    architecture="GPT2LMHeadModel",
    names=MappingProxyType(
        {
            "vocab_size": "vocab_size",
            "n_positions": "block_size",
            "n_embd": "n_embd",
            "n_layer": "n_layer",
            "n_head": "n_head",
            "n_inner": "n_inner",
            "activation_function": "activation",
            "attn_pdrop": "dropout",
            "resid_pdrop": "dropout",
            "layer_norm_epsilon": "norm_epsilon",
            "tie_word_embeddings": "tied",
        }
    ),
    defaults=MappingProxyType(
        {
            "vocab_size": _VOCABULARY,
            "n_positions": 1024,
            "n_embd": 768,
            "n_layer": 12,
            "n_head": 12,
            "n_inner": None,
            "activation_function": "gelu_new",
            "attn_pdrop": 0.1,
            "resid_pdrop": 0.1,
            "layer_norm_epsilon": 1e-5,
            "tie_word_embeddings": True,
        }
    ),
    fixed=MappingProxyType(
        {
            "scale_attn_weights": True,
            "scale_attn_by_inverse_layer_idx": False,
            "reorder_and_upcast_attn": False,
            "add_cross_attention": False,
        }
    ),
    constants=MappingProxyType({"embd_pdrop": 0.0}),
)

_TENSORS = TensorNames(
    replacements=(
        ("token_embedding.", "transformer.wte."),
        ("position_embedding.", "transformer.wpe."),
        ("final_norm.", "transformer.ln_f."),
        ("blocks.", "transformer.h."),
        (".attention_norm.", ".ln_1."),
        (".attention.query_key_value.", ".attn.c_attn."),
        (".attention.output.", ".attn.c_proj."),
        (".mlp_norm.", ".ln_2."),
        (".mlp.up.", ".mlp.c_fc."),
        (".mlp.down.", ".mlp.c_proj."),
    ),
    transposes_blocks=True,  # its linear layers are Conv1D
    always=MappingProxyType({"bias": True, "qkv_bias": True}),
    optional_prefix="transformer.",  # missing in the first release
    ignored=(".attn.bias", ".attn.masked_bias"),  # causal masks of older releases
)


def _gpt(n_layer: int, n_head: int, n_embd: int, block_size: int) -> ModelConfig:
    return ModelConfig(
        n_layer=n_layer,
        n_head=n_head,
        n_embd=n_embd,
        block_size=block_size,
        vocab_size=_VOCABULARY,
    )


_SMALL_CPU = Preset(
    replace(_gpt(4, 4, 128, 64), vocab_size=65),
    "nanoGPT's advice for a CPU: 4 layers, 128 wide, minutes on a laptop",
    MappingProxyType({"batch_size": 12, "max_iters": 2000}),
)

_PRESETS = {
    "small-cpu": _SMALL_CPU,
    "gpt2": Preset(_gpt(12, 12, 768, 1024), "GPT-2, 124M"),
    "gpt2-medium": Preset(_gpt(24, 16, 1024, 1024), "GPT-2, 355M"),
    "gpt2-large": Preset(_gpt(36, 20, 1280, 1024), "GPT-2, 774M"),
    "gpt2-xl": Preset(_gpt(48, 25, 1600, 1024), "GPT-2, 1.56B"),
    "gpt3-small": Preset(_gpt(12, 12, 768, 2048), "GPT-3 paper, table 2.1"),
    "gpt3-medium": Preset(_gpt(24, 16, 1024, 2048), "GPT-3 paper, table 2.1"),
    "gpt3-large": Preset(_gpt(24, 16, 1536, 2048), "GPT-3 paper, table 2.1"),
    "gpt3-xl": Preset(
        _gpt(24, 16, 2048, 2048),
        "GPT-3 paper, table 2.1 (prints 24 heads of 128, which is not 2,048: 16 here)",
    ),
    "gpt3-2.7b": Preset(_gpt(32, 32, 2560, 2048), "GPT-3 paper, table 2.1"),
    "gpt3-6.7b": Preset(_gpt(32, 32, 4096, 2048), "GPT-3 paper, table 2.1"),
    "gpt3-13b": Preset(
        _gpt(40, 40, 5120, 2048),
        "GPT-3 paper, table 2.1 (prints 5,140 wide, which is not 40 heads of 128: 5,120 here)",
    ),
    "gpt3": Preset(_gpt(96, 96, 12288, 2048), "GPT-3, 175B"),
}

FAMILY = Family(
    name="gpt2",
    rank=1,
    switches=MappingProxyType({}),  # they are ModelConfig's defaults
    free=("n_inner", "norm_epsilon", "activation", "bias", "qkv_bias", "tied"),
    config_fields=CONFIG_FIELDS,
    tensors=_TENSORS,
    presets=MappingProxyType(_PRESETS),
)
