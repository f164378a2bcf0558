"""Write docs/works.md: which models of other packages were tried, and what came of it.

Usage: python docs/build_works.py
"""

import copy
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "NO_ALBUMENTATIONS_UPDATE": "1"}

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._pytree import tree_map

import landscape_nb as lnb

PAGE = Path(__file__).parent / "works.md"
SAMPLES = 16
_EXTENT = 0.3
_STEPS = (1e-3, 1e-8)
"""Of finite differences: the larger for models that compute parts in float32, the smaller beside kinks of ReLU."""
_HEAD = """# Works on your model

Made by `python docs/build_works.py`, with small networks of other packages as they come, without pretrained weights.
Of each, a plane of 3 × 3 points was compared with a plain loop that loads every point's weights into a copy of the
model and calls it (the largest relative error of a loss); the Hessian's largest eigenvalue with the change of
the gradient along its eigenvector, in double precision; and a plane with `store=` was gone on with by a second process.
"""
_COLUMNS = "| package | version | model | plane | Hessian | goes on in a second process |\n|---|---|---|---|---|---|\n"


@dataclass(frozen=True)
class Case:
    """A model of a package.

    Attributes:
        package: The package's name.
        model: The model, in words.
        make: What gives the model, its data, and further arguments of `Objective`.
    """

    package: str
    model: str
    make: Callable[[], tuple[nn.Module, Any, dict]]

    def objective(self):
        """The objective, the same whenever it is made."""
        torch.manual_seed(0)
        model, data, more = self.make()
        return lnb.Objective(model.eval(), data, **more)

    def plane(self, store):
        """A plane of 3 × 3 points around the model."""
        objective = self.objective()
        directions = lnb.random_directions(objective.origin, 2)
        return lnb.evaluate_plane(objective, directions, (-_EXTENT, _EXTENT), 3, store=store, progress=False)


def images(size=16):
    """Sixteen random images of one channel, and labels."""
    return torch.randn(SAMPLES, 1, size, size), torch.arange(SAMPLES) % 10


def timm_vit():
    import timm

    sizes = {"img_size": 16, "patch_size": 4, "depth": 2, "embed_dim": 32, "num_heads": 2}
    return timm.create_model("vit_tiny_patch16_224", in_chans=1, num_classes=10, **sizes), images(), {}


def timm_resnet():
    from timm.models.resnet import BasicBlock, ResNet

    net = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=10, in_chans=1, channels=(8, 16, 32, 64), stem_width=8)
    return net, images(32), {}


def timm_convnext():
    from timm.models.convnext import ConvNeXt

    return ConvNeXt(in_chans=1, num_classes=10, depths=(1, 1, 1, 1), dims=(8, 16, 32, 64)), images(32), {}


def own_loss(outputs, batch):
    """The loss that a model of transformers computes itself."""
    return outputs.loss


def by_keywords(model, batch):
    """The outputs of a model that takes a batch's entries by name."""
    return model(**batch)


OWN_LOSS = {"criterion": own_loss, "forward": by_keywords}


def tokens(classes=None):
    """Sixteen random texts of twelve tokens."""
    ids = torch.randint(1, 50, (SAMPLES, 12))
    return [{"input_ids": ids, "labels": ids if classes is None else ids[:, 0] % classes}]


def bert():
    import transformers as t

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = t.BertConfig(vocab_size=50, max_position_embeddings=16, num_labels=3, **sizes)
    return t.BertForSequenceClassification(config), tokens(3), OWN_LOSS


def gpt2():
    import transformers as t

    ends = {"bos_token_id": 0, "eos_token_id": 0}
    config = t.GPT2Config(vocab_size=50, n_positions=16, n_embd=32, n_layer=2, n_head=2, **ends)
    return t.GPT2LMHeadModel(config), tokens(), OWN_LOSS


def transformers_vit():
    import transformers as t

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = t.ViTConfig(image_size=16, patch_size=4, num_channels=1, num_labels=10, **sizes)
    inputs, labels = images()
    return t.ViTForImageClassification(config), [{"pixel_values": inputs, "labels": labels}], OWN_LOSS


def t5():
    import transformers as t

    config = t.T5Config(
        vocab_size=50,
        d_model=32,
        d_kv=16,
        d_ff=64,
        num_layers=2,
        num_heads=2,
        decoder_start_token_id=0,
        feed_forward_proj="gated-gelu",
    )
    return t.T5ForConditionalGeneration(config), tokens(), OWN_LOSS


def llama():
    import transformers as t

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = t.LlamaConfig(vocab_size=50, num_key_value_heads=2, use_cache=False, **sizes)
    return t.LlamaForCausalLM(config), tokens(), OWN_LOSS


def lora():
    import peft

    base = nn.Sequential(nn.Flatten(), nn.Linear(256, 16), nn.ReLU(), nn.Linear(16, 10))
    model = peft.get_peft_model(base, peft.LoraConfig(target_modules=["1", "3"], r=2))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(weight, std=0.1)
    return model, images(), {}


def lora_in_bert():
    import peft

    model, data, more = bert()
    return peft.get_peft_model(model, peft.LoraConfig(target_modules=["query", "value"], r=2)), data, more


def vit_pytorch():
    from vit_pytorch import ViT

    sizes = {"image_size": 16, "patch_size": 4, "dim": 32, "depth": 2, "heads": 2, "mlp_dim": 64}
    return ViT(num_classes=10, channels=1, **sizes), images(), {}


def simple_vit():
    from vit_pytorch import SimpleViT

    sizes = {"image_size": 16, "patch_size": 4, "dim": 32, "depth": 2, "heads": 2, "mlp_dim": 64}
    return SimpleViT(num_classes=10, channels=1, **sizes), images(), {}


def unet(kind="Unet", **more):
    import segmentation_models_pytorch as smp

    net = getattr(smp, kind)("tu-resnet10t", encoder_depth=3, encoder_weights=None, in_channels=1, classes=2, **more)
    inputs = torch.randn(SAMPLES, 1, 32, 32)
    return net, (inputs, (inputs[:, 0] > 0).long()), {}


def graph():
    """A ring of sixteen nodes with random features, and their classes."""
    nodes = torch.arange(SAMPLES)
    edges = torch.stack([nodes, (nodes + 1) % SAMPLES])
    return torch.randn(SAMPLES, 8), torch.cat([edges, edges.flip(0)], 1), nodes % 4


def gcn():
    from torch_geometric.nn import GCN

    x, edges, y = graph()
    criterion = {"criterion": lambda outputs, batch: F.cross_entropy(outputs, batch["y"])}
    read = {"forward": lambda model, batch: model(batch["x"], batch["edge_index"])}
    return GCN(8, 16, 2, 4), [{"x": x, "edge_index": edges, "y": y}], criterion | read


def gat():
    from torch_geometric.data import Data
    from torch_geometric.nn import GAT

    x, edges, y = graph()
    criterion = {"criterion": lambda outputs, batch: F.cross_entropy(outputs, batch.y)}
    read = {"forward": lambda model, batch: model(batch.x, batch.edge_index)}
    return GAT(8, 16, 2, 4), [Data(x=x, edge_index=edges, y=y)], criterion | read


def lightning_module(hidden=16, norm=False):
    import lightning

    class Classifier(lightning.LightningModule):
        def __init__(self, hidden, norm):
            super().__init__()
            self.save_hyperparameters()
            middle = [nn.BatchNorm1d(hidden)] if norm else []
            self.net = nn.Sequential(nn.Flatten(), nn.Linear(256, hidden), *middle, nn.ReLU(), nn.Linear(hidden, 10))

        def forward(self, x):
            return self.net(x)

        def training_step(self, batch, _):
            return F.cross_entropy(self(batch[0]), batch[1])

    return Classifier(hidden, norm), images(), {}


def lightning_training_step():
    model, data, _ = lightning_module(norm=True)
    more = {"criterion": lambda loss, _: loss, "forward": lambda model, batch: model.training_step(batch, 0)}
    return model, [data], more


CASES = (
    Case("timm", "vision transformer", timm_vit),
    Case("timm", "ResNet", timm_resnet),
    Case("timm", "ConvNeXt", timm_convnext),
    Case("transformers", "BERT, classification", bert),
    Case("transformers", "GPT-2, language model", gpt2),
    Case("transformers", "ViT", transformers_vit),
    Case("transformers", "T5", t5),
    Case("transformers", "Llama", llama),
    Case("peft", "LoRA on an MLP", lora),
    Case("peft", "LoRA on BERT", lora_in_bert),
    Case("vit-pytorch", "ViT", vit_pytorch),
    Case("vit-pytorch", "SimpleViT", simple_vit),
    Case("segmentation-models-pytorch", "U-Net", lambda: unet(decoder_channels=(16, 8, 8))),
    Case("segmentation-models-pytorch", "Linknet", lambda: unet("Linknet")),
    Case("torch-geometric", "GCN, a batch is a dict", gcn),
    Case("torch-geometric", "GAT, a batch is a `Data`", gat),
    Case("lightning", "LightningModule", lightning_module),
    Case("lightning", "LightningModule, its `training_step`", lightning_training_step),
)


def plain_loss(case, params, dtype, gradient=False):
    """The loss at a point from a copy of the model that is given the weights and called; or its gradient."""
    torch.manual_seed(0)
    model, data, more = case.make()
    net = copy.deepcopy(model).eval().to(dtype).requires_grad_(gradient)
    with torch.no_grad():
        for name, weight in net.named_parameters():
            weight.copy_(params[name])
    batch = data[0] if isinstance(data, list) else data
    every = batch.apply if hasattr(batch, "apply") else lambda cast: tree_map(cast, batch)
    batch = every(lambda part: part.to(dtype) if _is_real(part) else part)
    outputs = more["forward"](net, batch) if "forward" in more else net(batch[0])
    loss = more.get("criterion", F.cross_entropy)(outputs, batch[1] if isinstance(batch, tuple) else batch)
    if not gradient:
        return loss.item()
    loss.backward()
    return {name: weight.grad for name, weight in net.named_parameters() if weight.grad is not None}


def _is_real(part):
    return isinstance(part, torch.Tensor) and part.is_floating_point()


def plane_error(case, plane):
    """The largest relative error of a plane's losses."""
    origin = case.objective().origin
    first, second = lnb.random_directions(origin, 2)
    errors = []
    for a in plane.alpha.values:
        for b in plane.beta.values:
            params = {name: origin[name] + float(a) * first[name] + float(b) * second[name] for name in origin}
            wanted = plain_loss(case, params, torch.float32)
            errors.append(abs(float(plane.loss.sel(alpha=a, beta=b)) - wanted) / abs(wanted))
    return max(errors)


def hessian_error(case):
    """The relative error of the largest eigenvalue, as the gradient changes along its eigenvector."""
    objective = case.objective()
    found = lnb.extreme_eigenvalues(objective)
    curvatures = [curvature(case, objective.origin, found.max_vector, step) for step in _STEPS]
    return min(abs(found.max - each) / abs(each) for each in curvatures)


def curvature(case, origin, vector, step):
    """How the gradient along a vector changes along it."""
    slopes = []
    for sign in (1, -1):
        moved = {name: origin[name].double() + sign * step * vector[name].double() for name in origin}
        gradient = plain_loss(case, moved, torch.float64, gradient=True)
        slopes.append(sum((gradient[name] * vector[name].double()).sum().item() for name in gradient))
    return (slopes[0] - slopes[1]) / (2 * step)


def verdict(error, tolerance):
    """A number's word, and the number."""
    return f"{'right' if error <= tolerance else 'WRONG'} ({error:.0e})"


def attempt(measure):
    """What a measurement gives, or what it says."""
    try:
        return measure()
    except Exception as error:
        return f"refused: {type(error).__name__}: {str(error).splitlines()[0]}"


def store_of(folder, number):
    """Where a case's plane is kept."""
    return Path(folder) / f"{number}.zarr"


def times(store):
    """When each file of a store was written."""
    return {str(path): path.stat().st_mtime_ns for path in sorted(store.rglob("*")) if path.is_file()}


def go_on(folder):
    """Measure each case once more into its store; say of each whether that went on without writing anything."""
    found = []
    for number, case in enumerate(CASES):
        before = times(store_of(folder, number))
        made = attempt(lambda case=case, number=number: case.plane(store_of(folder, number)) is not None)
        unchanged = before == times(store_of(folder, number))
        found.append(made if isinstance(made, str) else "yes" if unchanged else "NO: it was measured again")
    return found


def in_second_process(folder):
    """`go_on` in a process with other hashes."""
    env = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(map(str, filter(None, sys.path)))}
    command = [sys.executable, __file__, "--go-on", str(folder)]
    made = subprocess.run(command, env=env, capture_output=True, text=True)
    if made.returncode:
        raise RuntimeError(made.stderr)
    return json.loads(made.stdout.splitlines()[-1])


def measured_rows(folder):
    """What came of each case: package, version, model, plane, Hessian, second process."""
    planes = [attempt(lambda c=case, n=n: c.plane(store_of(folder, n))) for n, case in enumerate(CASES)]
    rows = []
    for case, plane, again in zip(CASES, planes, in_second_process(folder), strict=True):
        named = case.package, version(case.package), case.model
        if isinstance(plane, str):
            rows.append((*named, plane, "–", "–"))
            continue
        hessian = attempt(lambda c=case: verdict(hessian_error(c), 2e-2))
        rows.append((*named, verdict(plane_error(case, plane), 1e-4), hessian, again))
    return rows


def page(rows):
    """The whole page."""
    lines = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |\n" for row in rows]
    return f"{_HEAD}\n{_COLUMNS}{''.join(lines)}"


def verdicts(text):
    """Of each row of a page: package, model, and the words of what came of it, without numbers and versions."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    return [(row[0], row[2], *(cell.split(" (")[0].split(":")[0] for cell in row[3:])) for row in rows[2:]]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1:2] == ["--go-on"]:
        print(json.dumps(go_on(sys.argv[2])))
    else:
        with tempfile.TemporaryDirectory() as made:
            PAGE.write_text(page(measured_rows(made)), encoding="utf-8")
