"""A training recipe small enough to run in seconds."""

from pathlib import Path

RECIPE = """\
name: tiny
data:
  file: events.h5
  transform: {jets: log_pt, taus: log_pt}
tasks:
  momentum:
    inputs: [jets, calo_images]
    target: taus
    loss: {name: momentum_mse}
    weight: 0.5
    metrics: [momentum_mse, momentum_mse_gev2]
    candidates:
      mlp: {model: tau_mlp, args: {units: 8, layers: 1, image_units: 4, image_layers: 1}}
      sf: {model: tau_scale_factor}
  higgs:
    inputs: [momentum]
    target: label
    loss: {name: bce_logits}
    weight: remainder
    metrics: [auc, bce]
    candidates:
      mlp: {model: higgs_mlp, args: {units: 8, layers: 1}}
      mass: {model: higgs_mass, args: {units: 8, layers: 1}}
chain: {momentum: sf, higgs: mass}
pretrain: {optimizer: {name: adam, learning_rate: 1e-2}, batch_size: 50, epochs: 4, patience: 3}
posttrain:
  modes: [connected, sequential, joint]
  optimizer: {name: adam, learning_rate: 1e-2}
  batch_size: 50
  epochs: 4
  patience: 3
evaluate: {bootstrap: 10}
"""


def write_recipe(folder: Path, text: str = RECIPE, name: str = "tiny.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path
