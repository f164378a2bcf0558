"""Everything works without llvmlite, in torch's convolutions."""

import subprocess
import sys

_CODE = """
import sys
sys.modules["llvmlite"] = None  # as if it were not installed
import numpy as np, torch
import landscape_nb as lnb

model = lnb.models.resnet(20, width=1, channels=1, image_size=8)
images = torch.randn(30, 1, 8, 8, generator=torch.Generator().manual_seed(0))
objective = lnb.Objective(model, (images, torch.arange(30) % 10))
directions = lnb.random_directions(model, 2)
line = lnb.evaluate_line(objective, directions[0], resolution=3, progress=False)
assert "calls replayed" in line.engine and "tiles" not in line.engine, line.engine
wanted = [objective(lnb.move(objective.origin, directions[:1], [a]))["loss"] for a in line.alpha.values]
np.testing.assert_allclose(line.loss, wanted, rtol=1e-4)
lnb.curvature_map(objective, directions, resolution=2, progress=False)
run = lnb.train(model, (images, torch.arange(30) % 10), epochs=1, cache=False, progress=False)
lnb.interpolate(objective, model, run.model, resolution=3, progress=False)
print("done")
"""


def test_a_line_a_map_and_a_training_without_llvmlite():
    run = subprocess.run([sys.executable, "-c", _CODE], capture_output=True, text=True, timeout=300)
    assert run.stdout.strip() == "done", run.stderr
