"""GPT-2 (Radford et al. 2019) and GPT-3 (Brown et al. 2020, arXiv:2005.14165)."""

from types import MappingProxyType

from gptcli.families.family import ConfigFields, Family, TensorNames

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
    scorer="GPT2ForSequenceClassification",
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

FAMILY = Family(
    name="gpt2",
    rank=1,
    switches=MappingProxyType({}),  # they are ModelConfig's defaults
    free=("n_inner", "norm_epsilon", "activation", "bias", "qkv_bias", "tied"),
    config_fields=CONFIG_FIELDS,
    tensors=_TENSORS,
)
