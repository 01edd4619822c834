"""A builder's guide to networks, as a reader of such a chapter types it, on any engine.

    python examples/builders_guide.py
    python examples/builders_guide.py --backend torch
    python examples/builders_guide.py --backend strict:device1

Only the last line knows which engine it is: nothing above names one.
"""

import argparse
import tempfile
from pathlib import Path

import polymod as pm
from polymod import nn
from polymod.nn import functional as F


def section(title):
    print(f"\n--- {title}")


def layers_and_modules():
    section("Layers and modules")
    # A model is a module made of modules. Linear(None, 256) finds the size of its input at the first call.
    net = nn.Sequential(nn.Linear(None, 256), nn.ReLU(), nn.Linear(None, 10))
    x = pm.rand(2, 20)
    print(net(x).shape)
    print(net)


class MLP(nn.Module):
    """A custom module: what it is made of in __init__, what it computes in forward. Derivatives need nothing."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(20, 256)
        self.out = nn.Linear(256, 10)

    def forward(self, x):
        return self.out(F.relu(self.hidden(x)))


class MySequential(nn.Module):
    """Sequential from scratch. Modules in a list (or tuple, or dict) that is an attribute are parts of the model."""

    def __init__(self, *modules):
        super().__init__()
        self.steps = modules

    def forward(self, x):
        for module in self.steps:
            x = module(x)
        return x


def custom_modules():
    section("A custom module, and Sequential from scratch")
    x = pm.rand(2, 20)
    print(MLP()(x).shape)
    net = MySequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10))
    print(net(x).shape, [name for name, _ in net.named_parameters()])


class FixedHiddenMLP(nn.Module):
    """Any Python in forward: weights that never change, one layer used twice, a loop that depends on the data."""

    def __init__(self):
        super().__init__()
        self.rand_weight = pm.rand(20, 20)  # a Tensor that is no Parameter: saved and moved, but not learned
        self.linear = nn.Linear(20, 20)

    def forward(self, x):
        x = self.linear(x)
        x = F.relu(x @ self.rand_weight + 1)
        x = self.linear(x)
        while abs(x).sum() > 1:
            x = x / 2
        return x.sum()


def code_in_forward():
    section("Code in forward")
    net = FixedHiddenMLP()
    result = net(pm.rand(2, 20))
    result.backward()
    print(f"{float(result):.4f}", net.linear.weight.grad.shape, net.rand_weight.requires_grad)


class NestMLP(nn.Module):
    """Modules nest at will: a Sequential inside a module, which goes into a Sequential below."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(None, 64), nn.ReLU(), nn.Linear(None, 32), nn.ReLU())
        self.linear = nn.Linear(32, 16)

    def forward(self, x):
        return self.linear(self.net(x))


def nesting():
    section("Nesting")
    chimera = nn.Sequential(NestMLP(), nn.Linear(None, 20), FixedHiddenMLP())
    print(f"{float(chimera(pm.rand(2, 20))):.4f}")
    print(chimera.summary((2, 20)))
    return chimera


def parameters(chimera):
    section("Parameters")
    # By path, all over the tree; a module at a path; all values by path, as they are saved.
    for path, parameter in chimera.named_parameters():
        print(f"{path:20} {parameter.shape}")
    print(chimera[0].net[2].bias.shape, chimera.get_parameter("0.net.2.bias") is chimera[0].net[2].bias)
    print(list(chimera.state_dict())[-3:])


def tied_parameters():
    section("Tied parameters")
    # One module at two places is one set of weights: listed once, and its gradient is the sum of both uses.
    shared = nn.Linear(8, 8)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), shared, nn.ReLU(), shared, nn.ReLU(), nn.Linear(8, 1))
    net(pm.rand(2, 4)).sum().backward()
    print(net[2].weight is net[4].weight, len(list(net.parameters())))
    with pm.no_grad():
        net[2].weight[0, 0] = 100.0
    print(float(net[4].weight[0, 0]))


def initial_values():
    section("Lazy sizes and initial values")
    # Before the first call the sizes are open; a call, or output_shape, settles them. `apply` visits all modules.
    net = nn.Sequential(nn.Linear(None, 8), nn.ReLU(), nn.Linear(None, 1))
    print(net[0].weight)
    print(net.output_shape((2, 20)), net[0].weight.shape)

    def xavier(module):
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)

    net.apply(xavier)
    print(f"{float(abs(net[0].weight).max()):.2f} is at most {(6 / (20 + 8)) ** 0.5:.2f}")


class CenteredLayer(nn.Module):
    """A custom layer without parameters."""

    def forward(self, x):
        return x - x.mean()


class MyLinear(nn.Module):
    """A custom layer with parameters: assigning a Parameter registers it."""

    def __init__(self, in_units, units):
        super().__init__()
        self.weight = nn.Parameter(pm.randn(in_units, units))
        self.bias = nn.Parameter(pm.randn(units))

    def forward(self, x):
        return F.relu(x @ self.weight + self.bias)


def custom_layers():
    section("Custom layers")
    net = nn.Sequential(nn.Linear(8, 128), CenteredLayer())
    print(f"mean {abs(float(net(pm.rand(4, 8)).mean())):.6f}")
    net = nn.Sequential(MyLinear(64, 8), MyLinear(8, 1), lambda x: x.flatten())  # functions are welcome too
    print(net(pm.rand(2, 64)).shape)


def files():
    section("Reading and writing files")
    # A model is saved as its state dict, in a safetensors file, and loaded into a model built by the same code.
    x, net = pm.rand(2, 20), MLP()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mlp.safetensors"
        pm.save_file(net.state_dict(), path)
        twin = MLP()
        twin.load_state_dict(pm.load_file(path))
    print(bool(pm.all(twin(x) == net(x))))


def engines():
    section("Engines and devices")
    # New arrays go where `use_backend` says; a model moves with `to`; a copy to the host is `to_numpy`.
    net, x = MLP(), pm.rand(2, 20)
    print("here:", x.device, "with", pm.current_device().backend)
    here = pm.to_numpy(net(x).detach())
    net.to("numpy")
    try:
        net(x)
        print("the same engine: nothing to move")
    except pm.MixedDevicesError as error:  # nothing is copied behind your back
        print("refused:", str(error).splitlines()[0])
    there = pm.to_numpy(net(x.to("numpy")).detach())
    print(f"largest difference {abs(here - there).max():.0e}")


def main():
    arguments = argparse.ArgumentParser(description="The builder's guide, section by section.")
    arguments.add_argument("--backend", help="an engine or a device: numpy, torch, strict:device1, cuda:1, ...")
    pm.manual_seed(0)
    with pm.use_backend(arguments.parse_args().backend):
        layers_and_modules()
        custom_modules()
        code_in_forward()
        parameters(nesting())
        tied_parameters()
        initial_values()
        custom_layers()
        files()
        engines()


if __name__ == "__main__":
    main()
