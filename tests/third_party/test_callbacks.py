"""The callbacks record what the real trainers of Lightning and of transformers do, epoch by epoch."""

import pytest
import torch
import torch.nn.functional as F
from helpers import batch_norm_net, small_data
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import landscape_nb as lnb

lightning = pytest.importorskip("lightning", reason="the extra `third-party` is not installed")
pytorch_lightning = pytest.importorskip("pytorch_lightning")
transformers = pytest.importorskip("transformers", reason="the extra `third-party` is not installed")

pytestmark = pytest.mark.filterwarnings("ignore")  # trainers warn of what small tests do not have
EPOCHS, DROP = 5, 3
QUIET = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}


def lightning_module(base, net):
    class Module(base):
        """A user's module, with a schedule that divides the rate by ten."""

        def __init__(self):
            super().__init__()
            self.model, self.criterion = net, nn.CrossEntropyLoss(torch.ones(4))

        def training_step(self, batch, number):
            inputs, labels = batch
            return self.criterion(self.model(inputs), labels)

        def configure_optimizers(self):
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
            return [optimizer], [torch.optim.lr_scheduler.MultiStepLR(optimizer, [DROP])]

    return Module()


def by_hand(epochs, batch_size=25):
    """A plain loop that does what Lightning does here; the states before it and after each epoch."""
    images, labels = small_data()
    net = batch_norm_net().train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    states = [{name: tensor.clone() for name, tensor in net.state_dict().items()}]
    for epoch in range(epochs):
        optimizer.param_groups[0]["lr"] = 0.1 if epoch < DROP else 0.01
        for start in range(0, len(images), batch_size):
            optimizer.zero_grad()
            part = slice(start, start + batch_size)
            F.cross_entropy(net(images[part]), labels[part]).backward()
            optimizer.step()
        states.append({name: tensor.clone() for name, tensor in net.state_dict().items()})
    return states


def assert_states(found, wanted):
    for state, expected in zip(found, wanted, strict=True):
        assert state.keys() == expected.keys()
        assert all(torch.allclose(state[name], expected[name], atol=1e-6) for name in expected)


@pytest.mark.parametrize("package", [lightning.pytorch, pytorch_lightning], ids=lambda package: package.__name__)
def test_lightning_trains_and_every_epoch_is_recorded(package, tmp_path):
    net = batch_norm_net().train()
    recorder = lnb.Recorder(net)
    options = {"max_epochs": EPOCHS, "callbacks": [recorder.lightning_callback()], "default_root_dir": tmp_path}
    trainer = package.Trainer(**options, enable_checkpointing=False, **QUIET)
    module = lightning_module(package.LightningModule, net)
    trainer.fit(module, DataLoader(TensorDataset(*small_data()), batch_size=25))
    run = recorder.trajectory()
    assert run.epochs == list(range(EPOCHS + 1))
    assert run.lr_drops == [DROP]
    assert_states(run.states, by_hand(EPOCHS))


def test_checkpoints_of_lightning_are_read(tmp_path):
    net = batch_norm_net().train()
    module = lightning_module(lightning.LightningModule, net)
    saves = lightning.pytorch.callbacks.ModelCheckpoint(tmp_path, every_n_epochs=1, save_top_k=-1)
    trainer = lightning.Trainer(max_epochs=EPOCHS, callbacks=[saves], **QUIET)
    trainer.fit(module, DataLoader(TensorDataset(*small_data()), batch_size=25))
    run = lnb.checkpoints(tmp_path / "*.ckpt", batch_norm_net(seed=1))
    assert run.epochs == list(range(EPOCHS))
    assert_states(run.states, by_hand(EPOCHS)[1:])


def test_transformers_trains_and_every_epoch_is_recorded_and_saved(tmp_path):
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    model = transformers.BertForSequenceClassification(transformers.BertConfig(vocab_size=9, **sizes))
    ids = torch.randint(9, (8, 5))
    data = [{"input_ids": row, "labels": row[0] % 2} for row in ids]
    recorder = lnb.Recorder(model, tmp_path / "run")
    settings = {"num_train_epochs": 3, "per_device_train_batch_size": 4, "save_strategy": "epoch", "use_cpu": True}
    arguments = transformers.TrainingArguments(
        str(tmp_path / "saved"), **settings, report_to=[], disable_tqdm=True, lr_scheduler_type="constant"
    )
    first = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    trainer = transformers.Trainer(model, arguments, train_dataset=data, callbacks=[recorder.transformers_callback()])
    trainer.train()
    run = recorder.trajectory()
    assert run.epochs == [0, 1, 2, 3]
    assert run.lr_drops == []
    saved = lnb.checkpoints(tmp_path / "saved" / "checkpoint-*" / "model.safetensors", model)
    assert saved.epochs == [2, 4, 6]
    assert_states(run.states, [first, *saved.states])
