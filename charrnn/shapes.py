"""Name and shape of every array that a network, and a run of one, consists of: what a configuration implies."""

from charrnn.config import ModelConfig, RunConfig

CELL_GATES = {"rnn": 1, "gru": 3, "lstm": 4}
CELL_STATES = {"rnn": ("h",), "gru": ("h",), "lstm": ("h", "c")}


def has_residual(config: ModelConfig, layer: int) -> bool:
    """Whether a layer's input is added to its output: where both are as wide, and the input is not one-hot."""
    return config.residual and (layer > 0 or config.embedding == config.hidden)


def joint_units(config: ModelConfig) -> int:
    """Units (M) in which the two directions meet.

    Sonnets cost 1.11 bits without them, 0.98 with H / 4, 0.92 with H, which makes a step a sixth longer: measured.
    """
    return -(-config.hidden // 4)


def head_inputs(config: ModelConfig) -> int:
    """What the head reads: h_t, of both directions [h_t ; m_t]."""
    return 2 * config.hidden + joint_units(config) if config.bidirectional else config.hidden


def parameter_shapes(config: ModelConfig, symbols: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight of a network over `symbols` symbols."""
    gates, hidden, inputs = CELL_GATES[config.cell], config.hidden, config.embedding or symbols
    ways = ("layers", "backward_layers") if config.bidirectional else ("layers",)
    shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (symbols, config.embedding)} if config.embedding else {}
    if d := config.vector_size:
        shapes |= {"vectors.weight": (inputs, d), "vectors.bias": (inputs,)}
        shapes |= {"vectors.mean": (d,), "vectors.deviation": (d,)}
    for way in ways:
        for layer in range(config.layers):
            cell, norm, width = f"{way}.{layer}.cell.", f"{way}.{layer}.norm.", hidden if layer else inputs
            shapes |= {cell + "weight_ih_l0": (gates * hidden, width), cell + "weight_hh_l0": (gates * hidden, hidden)}
            shapes |= {cell + "bias_ih_l0": (gates * hidden,), cell + "bias_hh_l0": (gates * hidden,)}
            if config.layer_norm:
                shapes |= {norm + "weight": (hidden,), norm + "bias": (hidden,)}
    if config.bidirectional:
        shapes |= {"joint.weight": (joint_units(config), 2 * hidden), "joint.bias": (joint_units(config),)}
    return shapes | {"head.weight": (symbols, head_inputs(config)), "head.bias": (symbols,)}


def training_shapes(config: RunConfig, symbols: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of everything else that resuming needs."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in parameter_shapes(config, symbols).items():
        shapes |= {f"{kind}.{name}": shape for kind in ("weights", "moment1", "moment2")}
    for layer in range(config.layers):
        shapes |= {f"state.{layer}.{part}": (config.batch_size, config.hidden) for part in CELL_STATES[config.cell]}
    return shapes | ({"loss_scale": (1,)} if config.precision == "float16" else {})
