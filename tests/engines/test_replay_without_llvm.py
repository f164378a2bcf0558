"""Everything works without llvmlite, or with an old one, in torch's convolutions."""

import os
import subprocess
import sys

import pytest

_CODE = """
import sys
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
"""
_MORE = """
lnb.curvature_map(objective, directions, resolution=2, progress=False)
run = lnb.train(model, (images, torch.arange(30) % 10), epochs=1, cache=False, progress=False)
lnb.interpolate(objective, model, run.model, resolution=3, progress=False)
"""
_NOT_INSTALLED = 'import sys; sys.modules["llvmlite"] = None'


def said_by(code, **variables):
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\nprint('done')"],
        capture_output=True, text=True, timeout=300, env=os.environ | variables,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


def test_a_line_a_map_and_a_training_without_llvmlite():
    assert said_by(_NOT_INSTALLED + _CODE + _MORE) == ["done"]


@pytest.mark.parametrize("raised", ["OSError", "ImportError"])
def test_a_line_where_llvmlites_library_does_not_load(tmp_path, raised):
    package = tmp_path / "llvmlite"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "binding.py").write_text(f"print('tried')\nraise {raised}('cannot load libllvmlite.so')\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    *tried, done = said_by(_CODE, PYTHONPATH=path)
    assert set(tried) == {"tried"}
    assert done == "done"


def test_a_line_with_an_llvmlite_of_older_pointers():
    code = 'import llvmlite; llvmlite.__version__ = "0.43.0"\n'
    assert said_by(code + _CODE) == ["done"]
